// Keeps the store equal to the server: live frames in the order of their revs, and `changes` for what is missing.

const PAGE = 50;
/** Missing more than this, the newest page is shown first, with a gap above it. */
const FAR = 600;

export class Sync {
	/** Counts connections: an answer from before the present one is worth nothing. */
	#turn = 0;

	/** @param on `changed(id?)`, `message(conversation, message, isNew)`, `gone(conversation)`, `again()` */
	constructor(api, store, on) {
		Object.assign(this, { api, store, on });
	}

	#get(conv, path = '') {
		return this.api.call('GET', `/conversations/${conv.id}${path}`);
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
		else if (type === 'read') {
			const { unread, mentions, seq } = frame;
			Object.assign(conv.info, { unread, mentions, read_seq: Math.max(seq, conv.info.read_seq) });
		}
		this.on.changed(conversation_id);
	}

	#ready(frame) {
		this.#turn += 1;
		const { stale, gone } = this.store.ready(frame);
		for (const conv of this.store.conversations.values()) conv.held = null;
		gone.forEach((conv) => this.on.gone(conv));
		stale.forEach((conv) => this.#catchUp(conv));
	}

	#gone(conv) {
		this.store.conversations.delete(conv.id);
		this.on.gone(conv);
	}

	#message(conv, message) {
		const { rev, sender } = message;
		conv.typing.delete(sender.username);
		if (rev > conv.cursor + 1) this.#catchUp(conv);
		if (conv.held) return conv.held.push(message);
		const isNew = rev > conv.cursor;
		if (isNew && conv.count(message, this.store.me.username)) this.describe(conv);
		if (conv.isLoaded) conv.apply(message);
		return this.on.message(conv, message, isNew);
	}

	/** Reads the description anew. */
	async describe(conv) {
		const turn = this.#turn;
		const info = await this.#get(conv).catch(() => null);
		if (info && turn === this.#turn) conv.describe(info);
		this.on.changed(conv.id);
	}

	/** Reads what is missing; meanwhile live messages wait in `held`. */
	async #catchUp(conv) {
		if (conv.held) return;
		const held = conv.held = [];
		const isOld = () => conv.held !== held;
		try {
			if (!conv.isLoaded) {
				const info = await this.#get(conv);
				if (isOld()) return;
				conv.describe(info);
				conv.cursor = Math.max(conv.cursor, info.head_rev);
			} else {
				if (conv.isAtEnd && conv.info.head_rev - conv.cursor > FAR) await this.#jump(conv, isOld);
				await this.#changes(conv, isOld);
			}
		} catch (error) {
			if (isOld()) return;
			conv.held = null;
			if (error.status === 404) this.#gone(conv);
			else this.on.again();
			return;
		}
		if (isOld()) return;
		conv.held = null;
		held.sort((a, b) => a.rev - b.rev).forEach((message) => this.#message(conv, message));
		this.on.changed(conv.id);
	}

	async #changes(conv, isOld, upTo) {
		for (let more = true; more;) {
			const answer = await this.#get(conv, `/changes?limit=200&since=${conv.cursor}${upTo ? `&upto_seq=${upTo}` : ''}`);
			if (isOld()) return;
			const { messages, unread, mentions, head_rev } = answer;
			for (const message of messages) {
				conv.apply(message);
				conv.info.last_seq = Math.max(conv.info.last_seq, message.seq);
				this.on.message(conv, message, true);
			}
			more = answer.has_more;
			conv.cursor = more ? messages.at(-1).rev : head_rev;
			if (!upTo && head_rev >= conv.counted) {
				Object.assign(conv.info, { unread, mentions });
				conv.counted = head_rev;
			}
			if (messages.some(({ event }) => event)) this.describe(conv);
		}
	}

	/** Far behind: the newest page first, then what changed of what was held already. */
	async #jump(conv, isOld) {
		const newest = await this.#get(conv, `/messages?limit=${PAGE}`);
		if (isOld()) return;
		conv.cut();
		conv.addPage(newest);
		this.on.changed(conv.id);
		await this.#changes(conv, isOld, conv.cursor);
		conv.cursor = Math.min(conv.cursor, newest.head_rev);
	}

	/** Reads a page of history: the newest, or one `before`, `after` or `around` a seq. */
	async load(conv, asked) {
		const turn = this.#turn;
		const page = await this.#get(conv, `/messages?${new URLSearchParams({ ...asked, limit: PAGE })}`);
		if (turn !== this.#turn) return this.load(conv, asked); // what the lost connection missed may be missing here
		if (page.epoch !== this.store.epoch) return this.on.again();
		const missing = !conv.isLoaded && page.head_rev < conv.cursor;
		conv.addPage(page, asked);
		if (missing) {
			conv.cursor = page.head_rev;
			await this.#catchUp(conv);
		}
		return this.on.changed(conv.id);
	}

	/** One message that is quoted and not held. */
	async fetch(conv, seq) {
		conv.asked ??= new Set();
		if (conv.asked.has(seq)) return;
		conv.asked.add(seq);
		const message = await this.#get(conv, `/messages/${seq}`).catch(() => null);
		if (message) conv.apply(message);
		this.on.changed(conv.id);
	}
}
