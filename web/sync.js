// Keeps the store equal to the server: live frames in order of their revs, and `changes` for what is missing.

const PAGE = 50;
const CHANGES = 200;
/** Missing more than this, the newest page is shown first, with a gap above it. */
const FAR = 600;

export class Sync {
	/**
	 * @param {import('./api.js').Api} api
	 * @param {import('./store.js').Store} store
	 * @param {{changed: (id: ?number) => void, message: (c: object, m: object) => void, gone: (c: object) => void,
	 *   again: () => void}} on
	 */
	constructor(api, store, on) {
		Object.assign(this, { api, store, on, turn: 0 });
	}

	/** @param {object} frame */
	take(frame) {
		const conv = this.store.conversations.get(frame.conversation_id);
		if (frame.type === 'ready') this.#ready(frame);
		else if (frame.type === 'message') conv && this.#message(conv, frame.message);
		else if (frame.type === 'conversation') this.store.describe(frame.conversation);
		else if (frame.type === 'conversation_removed') conv && this.#remove(conv);
		else if (frame.type === 'presence') this.store.presence(frame);
		else if (frame.type === 'read' && conv) {
			const { seq, unread, mentions } = frame;
			Object.assign(conv.info, { unread, mentions, read_seq: Math.max(seq, conv.info.read_seq) });
		} else if (frame.type === 'typing') {
			conv?.typing.set(frame.username, Date.now() + frame.expires_in_ms);
		} else if (frame.type === 'resync') {
			if (conv) this.#catchUp(conv, true);
			else this.on.again();
		}
		if (!['ack', 'pong', 'auth_ok', 'error'].includes(frame.type)) this.on.changed(frame.conversation_id ?? null);
	}

	#ready(frame) {
		this.turn += 1;
		const { stale, gone } = this.store.ready(frame);
		for (const conv of this.store.conversations.values()) conv.held = null;
		gone.forEach((conv) => this.on.gone(conv));
		stale.forEach((conv) => this.#catchUp(conv));
	}

	#remove(conv) {
		this.store.conversations.delete(conv.id);
		this.on.gone(conv);
	}

	#message(conv, message) {
		conv.typing.delete(message.sender.username);
		if (conv.held) conv.held.push(message);
		else if (message.rev > conv.cursor + 1) {
			this.#catchUp(conv);
			conv.held.push(message);
		} else this.#live(conv, message);
	}

	#live(conv, message) {
		const isNew = message.rev > conv.counted;
		if (message.rev > conv.cursor && !conv.count(message, this.store.me.username)) {
			this.describe(conv);
		}
		if (conv.isLoaded) conv.apply(message);
		this.on.message(conv, message, isNew);
	}

	/** Reads the description anew: where a change may have altered what is unread. */
	describe(conv) {
		const { turn } = this;
		conv.describing ??= this.api.call('GET', `/conversations/${conv.id}`).then((info) => {
			if (turn === this.turn) conv.describe(info);
			this.on.changed(conv.id);
		}, () => {}).finally(() => { conv.describing = null; });
		return conv.describing;
	}

	/** Reads what is missing; meanwhile live messages wait in `held`. */
	async #catchUp(conv, force = false) {
		if (conv.held) return;
		const held = conv.held = [];
		const { turn } = this;
		const isOld = () => turn !== this.turn || conv.held !== held;
		try {
			if (!conv.isLoaded) {
				const info = await this.api.call('GET', `/conversations/${conv.id}`);
				if (isOld()) return;
				conv.describe(info);
				conv.cursor = Math.max(conv.cursor, info.head_rev);
			} else {
				if (conv.isAtEnd && conv.info.head_rev - conv.cursor > FAR) {
					await this.#jump(conv, isOld);
				}
				if (!isOld()) await this.#changes(conv, isOld);
			}
		} catch (error) {
			if (isOld()) return;
			conv.held = null;
			if (error.status === 404) this.#remove(conv);
			else if (error.status) setTimeout(() => turn === this.turn && this.#catchUp(conv, force), 2000);
			else this.on.again();
			return;
		}
		if (isOld()) return;
		conv.held = null;
		held.sort((a, b) => a.rev - b.rev).forEach((message) => this.#message(conv, message));
		this.on.changed(conv.id);
	}

	async #changes(conv, isOld, upTo) {
		for (;;) {
			const bound = upTo === undefined ? '' : `&upto_seq=${upTo}`;
			const path = `/conversations/${conv.id}/changes?since=${conv.cursor}${bound}&limit=${CHANGES}`;
			const answer = await this.api.call('GET', path);
			if (isOld()) return;
			if (answer.epoch !== this.store.epoch) return this.on.again();
			answer.messages.forEach((message) => {
				const isNew = message.rev > conv.counted;
				conv.apply(message);
				this.on.message(conv, message, isNew);
			});
			if (answer.has_more) {
				conv.cursor = answer.messages.at(-1).rev;
				continue;
			}
			conv.cursor = answer.head_rev;
			if (upTo !== undefined) return;
			const { unread, mentions, head_rev } = answer;
			if (answer.messages.some((message) => message.event)) this.describe(conv);
			if (head_rev >= conv.counted) {
				const last = Math.max(conv.info.last_seq, ...answer.messages.map((message) => message.seq));
				Object.assign(conv.info, { unread, mentions, last_seq: last });
				conv.counted = head_rev;
			}
			return;
		}
	}

	/** Far behind: the newest page first, then what changed of what was held already. */
	async #jump(conv, isOld) {
		const newest = await this.api.call('GET', `/conversations/${conv.id}/messages?limit=${PAGE}`);
		if (isOld()) return;
		conv.cut();
		const held = conv.cursor;
		conv.addPage(newest);
		this.on.changed(conv.id);
		await this.#changes(conv, isOld, held);
		if (!isOld()) conv.cursor = Math.min(conv.cursor, newest.head_rev);
	}

	/**
	 * Reads a page of history: the newest, or one before, after or around a seq.
	 * @param {{before?: number, after?: number, around?: number}} asked
	 */
	async load(conv, asked = {}) {
		const key = JSON.stringify(asked);
		conv.loading ??= new Map();
		if (!conv.loading.has(key)) {
			const work = this.#load(conv, asked).finally(() => conv.loading.delete(key));
			conv.loading.set(key, work);
		}
		return conv.loading.get(key);
	}

	async #load(conv, asked) {
		for (;;) {
			const { turn } = this;
			const query = new URLSearchParams({ ...asked, limit: PAGE });
			const page = await this.api.call('GET', `/conversations/${conv.id}/messages?${query}`);
			if (turn !== this.turn) continue; // a connection ended meanwhile: what it missed may be missing here
			if (page.epoch !== this.store.epoch) return this.on.again();
			const wasLoaded = conv.isLoaded;
			conv.addPage(page, asked);
			if (!wasLoaded && page.head_rev < conv.cursor) {
				conv.cursor = page.head_rev;
				await this.#catchUp(conv, true);
			}
			this.on.changed(conv.id);
			return undefined;
		}
	}

	/** One message that is quoted and not held. */
	async fetch(conv, seq) {
		conv.asked ??= new Set();
		if (conv.asked.has(seq)) return;
		conv.asked.add(seq);
		try {
			conv.apply(await this.api.call('GET', `/conversations/${conv.id}/messages/${seq}`));
			this.on.changed(conv.id);
		} catch {
			conv.asked.delete(seq);
		}
	}
}
