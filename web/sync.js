// Keeps the store equal to the server: by live frames, and `changes` for what is missing.

const PAGE = 50;
const MOST = 200;

export class Sync {
	#turn = 0;

	constructor(app) {
		this.app = app;
	}

	// Reads; once more after a reconnection, as something may be missing.
	async #get(conv, path = '') {
		const turn = this.#turn;
		const answer = await this.app.api.call('GET', `/conversations/${conv.id}${path}`).catch((error) => {
			if (turn === this.#turn) throw error;
		});
		return turn === this.#turn ? answer : this.#get(conv, path);
	}

	take(frame) {
		const { type, conversation_id } = frame;
		const { store } = this.app;
		const conv = store.conversations.get(conversation_id);
		if (type === 'ready') this.#ready(frame);
		else if (type === 'conversation') store.describe(frame.conversation);
		else if (type === 'presence') store.presence(frame);
		else if (type === 'resync' && !conversation_id) this.app.socket.again();
		else if (!conv) return;
		else if (type === 'message') this.#message(conv, frame.message);
		else if (type === 'conversation_removed') this.#gone(conv);
		else if (type === 'typing') conv.typing.set(frame.username, Date.now() + frame.expires_in_ms);
		else if (type === 'resync') this.#catchUp(conv);
		else if (type === 'read') conv.read(frame);
		this.app.changed();
	}

	#ready(frame) {
		this.#turn += 1;
		const { stale, gone } = this.app.store.ready(frame);
		gone.forEach((conv) => this.#gone(conv));
		stale.forEach((conv) => this.#catchUp(conv));
	}

	#gone({ id }) {
		this.app.store.conversations.delete(id);
		this.app.outbox.fail(id, 'You are no longer in this conversation.');
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
		if (rev > info.head_rev && conv.count(message, this.app.me.username)) this.describe(conv);
		if (conv.isLoaded) conv.apply(message);
		conv.cursor = Math.max(rev, conv.cursor);
		this.app.message(conv, message, isNew);
	}

	async describe(conv) {
		const info = await this.#get(conv).catch(() => null);
		if (info) conv.describe(info);
		this.app.changed();
	}

	async #catchUp(conv) {
		if (conv.isBehind) return;
		conv.isBehind = true;
		try {
			do {
				if (conv.isLoaded) await this.#changes(conv);
				else conv.describe(await this.#get(conv));
			} while (conv.cursor < conv.info.head_rev);
		} catch (error) {
			if (error.status === 404) this.#gone(conv);
			else this.app.socket.again();
		}
		conv.isBehind = false;
		this.app.changed();
	}

	async #changes(conv) {
		const { messages, has_more, head_rev, unread, mentions } = await this.#get(conv, `/changes?limit=${MOST}&since=${conv.cursor}`);
		if (head_rev >= conv.info.head_rev) Object.assign(conv.info, { unread, mentions, head_rev });
		if (has_more && conv.isAtEnd) { // far behind: the newest page takes the place
			await this.load(conv, {});
			return;
		}
		for (const message of messages) {
			conv.apply(message);
			conv.info.last_seq = Math.max(conv.info.last_seq, message.seq);
			this.app.message(conv, message, true);
		}
		conv.cursor = Math.max(conv.cursor, has_more ? messages.at(-1).rev : head_rev);
		if (messages.some(({ event }) => event)) this.describe(conv);
	}

	// Reads the newest page, or `before`, `after` or `around` a seq.
	async load(conv, asked) {
		const page = await this.#get(conv, `/messages?${new URLSearchParams({ ...asked, limit: PAGE })}`);
		if (page.epoch !== this.app.store.epoch) {
			this.app.socket.again();
			throw new Error('The server has other data now.');
		}
		conv.addPage(page, asked);
		if (conv.cursor < conv.info.head_rev) await this.#catchUp(conv);
		this.app.changed();
	}

	async fetch(conv, seq) {
		if (conv.asked.has(seq)) return;
		conv.asked.add(seq);
		const message = await this.#get(conv, `/messages/${seq}`).catch(() => null);
		if (message) conv.apply(message);
		this.app.changed();
	}
}
