// What waits to be sent, and what is being written: kept in the browser until the server has it. One
// entry a message, so that tabs never overwrite each other's; ids sort by time, so the order is theirs.
import { frames, uuid } from './frames.js';

const RETRY = ['unavailable', 'rate_limited', 'storage_full'];

export class Outbox {
	/** @param {number} user @param {() => import('./socket.js').Socket} socket @param {(id: number) => void} onchange */
	constructor(user, socket, onchange, storage = localStorage) {
		Object.assign(this, { socket, onchange, storage, prefix: `chat.outbox.${user}.`, notes: `chat.draft.${user}.` });
		/** The id on its way, by conversation. */
		this.flying = new Map();
	}

	#all() {
		const keys = Object.keys(this.storage).filter((key) => key.startsWith(this.prefix)).sort();
		return keys.map((key) => JSON.parse(this.storage.getItem(key)));
	}

	/** What is not sent yet, oldest first. @returns {{id: string, body: string, error?: string}[]} */
	of(conv) {
		return this.#all().filter((item) => item.conversation_id === conv);
	}

	#keep(item) {
		this.storage.setItem(this.prefix + item.id, JSON.stringify(item));
		this.onchange(item.conversation_id);
	}

	add(conversation_id, body, reply_to) {
		this.#keep({ id: uuid(), conversation_id, body, ...(reply_to && { reply_to }) });
		this.flush(conversation_id);
	}

	/** Sends the oldest of each conversation; one at a time, so that the order holds. */
	flush(only) {
		const busy = new Set(this.flying.keys());
		for (const item of this.#all()) {
			const { id, conversation_id, body, reply_to, error } = item;
			if (error || busy.has(conversation_id) || (only && only !== conversation_id)) continue;
			busy.add(conversation_id);
			if (this.socket().send(frames.send(id, conversation_id, body, reply_to))) this.flying.set(conversation_id, id);
		}
	}

	/** The connection is gone: what flew is sent again on the next. */
	land() {
		this.flying.clear();
	}

	/** The server has it: an ack, or the message itself. */
	done(id, conv) {
		if (!id || !this.storage.getItem(this.prefix + id)) return;
		this.storage.removeItem(this.prefix + id);
		if (this.flying.get(conv) === id) this.flying.delete(conv);
		this.onchange(conv);
		this.flush(conv);
	}

	/** The server refused it. @returns {boolean} was it one of these? */
	refused({ id, code, detail, retry_after_ms }) {
		const text = id && this.storage.getItem(this.prefix + id);
		if (!text) return false;
		const item = JSON.parse(text);
		const { conversation_id } = item;
		if (RETRY.includes(code)) {
			setTimeout(() => {
				if (this.flying.get(conversation_id) === id) this.flying.delete(conversation_id);
				this.flush(conversation_id);
			}, Math.max(retry_after_ms ?? 2000, 100));
			return true;
		}
		this.flying.delete(conversation_id);
		this.#keep({ ...item, error: detail });
		this.flush(conversation_id);
		return true;
	}

	/** Once more, under the same id. */
	retry({ error: _, ...item }) {
		this.#keep(item);
		this.flush(item.conversation_id);
	}

	drop(item) {
		this.storage.removeItem(this.prefix + item.id);
		this.onchange(item.conversation_id);
	}

	/** The conversation is no longer mine. */
	fail(conv, error) {
		this.flying.delete(conv);
		this.of(conv).forEach((item) => this.#keep({ ...item, error }));
	}

	draft(conv) {
		return this.storage.getItem(this.notes + conv) ?? '';
	}

	note(conv, text) {
		if (text) this.storage.setItem(this.notes + conv, text);
		else this.storage.removeItem(this.notes + conv);
	}

	/** Leaves nothing behind. */
	clear() {
		for (const key of Object.keys(this.storage)) {
			if (key.startsWith(this.prefix) || key.startsWith(this.notes)) this.storage.removeItem(key);
		}
	}
}
