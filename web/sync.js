// Keeps the store equal to the server: live frames in the order of their revs, and `changes` for what is missing.

const PAGE = 50;
/** Missing more than this, the newest page takes the place of what is held. */
const FAR = 600;

export class Sync {
	/** Counts connections. */
	#turn = 0;

	/** `on`: `changed()`, `message(conversation, message, isNew)`, `gone(conversation)`, `again()`. */
	constructor(api, store, on) {
		Object.assign(this, { api, store, on });
	}

	/** Reads; once more if the connection changed meanwhile, as what the old one missed may be missing. */
	async #get(conv, path = '') {
		const turn = this.#turn;
		const answer = await this.api.call('GET', `/conversations/${conv.id}${path}`).catch((error) => {
			if (turn === this.#turn) throw error;
		});
		return turn === this.#turn ? answer : this.#get(conv, path);
	}

	take(frame) {
		const { type, conversation_id } = frame;
		const { store } = this;
		const conv = store.conversations.get(conversation_id);
		if (type === 'ready') this.#ready(frame);
		else if (type === 'conversation') store.describe(frame.conversation);
		else if (type === 'presence') store.presence(frame);
		else if (type === 'resync' && !conversation_id) this.on.again();
		else if (!conv) return;
		else if (type === 'message') this.#message(conv, frame.message);
		else if (type === 'conversation_removed') this.#gone(conv);
		else if (type === 'typing') conv.typing.set(frame.username, Date.now() + frame.expires_in_ms);
		else if (type === 'resync') this.#catchUp(conv);
		else if (type === 'read') conv.read(frame);
		this.on.changed();
	}

	#ready(frame) {
		this.#turn += 1;
		const { stale, gone } = this.store.ready(frame);
		gone.forEach((conv) => this.on.gone(conv));
		stale.forEach((conv) => this.#catchUp(conv));
	}

	#gone(conv) {
		this.store.conversations.delete(conv.id);
		this.on.gone(conv);
	}

	#message(conv, message) {
		const { info } = conv;
		const { rev, sender } = message;
		conv.typing.delete(sender.username);
		const isNew = rev > conv.cursor;
		if (conv.isBehind || rev > conv.cursor + 1) {
			info.head_rev = Math.max(rev, info.head_rev); // `changes` will bring it, and the count
			this.#catchUp(conv);
			return;
		}
		if (rev > info.head_rev && conv.count(message, this.store.me.username)) this.describe(conv);
		if (conv.isLoaded) conv.apply(message);
		conv.cursor = Math.max(rev, conv.cursor);
		this.on.message(conv, message, isNew);
	}

	async describe(conv) {
		const info = await this.#get(conv).catch(() => null);
		if (info) conv.describe(info);
		this.on.changed();
	}

	/** Reads what is missing, until nothing is. */
	async #catchUp(conv) {
		if (conv.isBehind) return;
		conv.isBehind = true;
		try {
			do {
				if (!conv.isLoaded) conv.describe(await this.#get(conv));
				else if (conv.isAtEnd && conv.info.head_rev - conv.cursor > FAR) await this.load(conv, {});
				else await this.#changes(conv);
			} while (conv.cursor < conv.info.head_rev);
		} catch (error) {
			if (error.status === 404) this.#gone(conv);
			else this.on.again();
		}
		conv.isBehind = false;
		this.on.changed();
	}

	async #changes(conv) {
		const { messages, has_more, head_rev, unread, mentions } = await this.#get(conv, `/changes?limit=200&since=${conv.cursor}`);
		for (const message of messages) {
			conv.apply(message);
			conv.info.last_seq = Math.max(conv.info.last_seq, message.seq);
			this.on.message(conv, message, true);
		}
		conv.cursor = Math.max(conv.cursor, has_more ? messages.at(-1).rev : head_rev);
		if (head_rev >= conv.info.head_rev) Object.assign(conv.info, { unread, mentions, head_rev });
		if (messages.some(({ event }) => event)) this.describe(conv);
	}

	/** Reads a page of history: the newest, or one `before`, `after` or `around` a seq. */
	async load(conv, asked) {
		const page = await this.#get(conv, `/messages?${new URLSearchParams({ ...asked, limit: PAGE })}`);
		if (page.epoch !== this.store.epoch) return this.on.again();
		conv.addPage(page, asked);
		if (conv.cursor < conv.info.head_rev) await this.#catchUp(conv);
		return this.on.changed();
	}

	/** Reads a message that is quoted and not held. */
	async fetch(conv, seq) {
		conv.asked ??= new Set();
		if (conv.asked.has(seq)) return;
		conv.asked.add(seq);
		const message = await this.#get(conv, `/messages/${seq}`).catch(() => null);
		if (message) conv.apply(message);
		this.on.changed();
	}
}
