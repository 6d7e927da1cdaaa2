// What waits to be sent, and drafts: in the browser until the server has them. One entry a message, so that
// tabs never overwrite each other's; ids sort by time, and so do the messages.
import { frames, uuid } from './frames.js';

const RETRY = ['unavailable', 'rate_limited', 'storage_full'];

export class Outbox {
	/** The id on its way, by conversation. */
	#flying = new Map();

	/** @param {(frame: object) => boolean} send @param {() => void} onchange */
	constructor(user, send, onchange, storage = localStorage) {
		Object.assign(this, { send, onchange, storage, prefix: `chat.outbox.${user}.`, notes: `chat.draft.${user}.` });
	}

	#all() {
		const keys = Object.keys(this.storage).filter((key) => key.startsWith(this.prefix)).sort();
		return keys.map((key) => JSON.parse(this.storage.getItem(key)));
	}

	/** What is not sent yet, oldest first. @returns {{id: string, body: string, error?: string}[]} */
	of(conversation) {
		return this.#all().filter((item) => item.conversation_id === conversation);
	}

	#keep(item) {
		this.storage.setItem(this.prefix + item.id, JSON.stringify(item));
		this.onchange();
	}

	add(conversation_id, body, reply_to) {
		this.#keep({ id: uuid(), conversation_id, body, reply_to });
		this.flush();
	}

	/** Sends the oldest of each conversation: one at a time, so that the order holds. */
	flush() {
		const busy = new Set(this.#flying.keys());
		for (const { id, conversation_id, body, reply_to, error } of this.#all()) {
			if (error || busy.has(conversation_id)) continue;
			busy.add(conversation_id);
			if (this.send(frames.send(id, conversation_id, body, reply_to))) this.#flying.set(conversation_id, id);
		}
	}

	/** A new connection: what flew on the old one is sent again. */
	again() {
		this.#flying.clear();
		this.flush();
	}

	#land(id, conversation) {
		if (this.#flying.get(conversation) === id) this.#flying.delete(conversation);
		this.flush();
	}

	/** The server has it: an ack, or the message itself. */
	done(id, conversation) {
		if (!id || !this.storage.getItem(this.prefix + id)) return;
		this.storage.removeItem(this.prefix + id);
		this.onchange();
		this.#land(id, conversation);
	}

	/** The server refused it. @returns {boolean} was it one of these? */
	refused({ id, code, detail, retry_after_ms = 2000 }) {
		const item = JSON.parse(this.storage.getItem(this.prefix + id));
		if (!item) return false;
		if (RETRY.includes(code)) setTimeout(() => this.#land(id, item.conversation_id), retry_after_ms);
		else {
			this.#keep({ ...item, error: detail });
			this.#land(id, item.conversation_id);
		}
		return true;
	}

	/** Once more, under the same id. */
	retry({ error: _, ...item }) {
		this.#keep(item);
		this.flush();
	}

	drop({ id }) {
		this.storage.removeItem(this.prefix + id);
		this.onchange();
	}

	/** The conversation is no longer mine. */
	fail(conversation, error) {
		this.#flying.delete(conversation);
		this.of(conversation).forEach((item) => this.#keep({ ...item, error }));
	}

	draft(conversation) {
		return this.storage.getItem(this.notes + conversation) ?? '';
	}

	note(conversation, text) {
		if (text) this.storage.setItem(this.notes + conversation, text);
		else this.storage.removeItem(this.notes + conversation);
	}

	/** Leaves nothing behind. */
	clear() {
		for (const key of Object.keys(this.storage)) {
			if (key.startsWith(this.prefix) || key.startsWith(this.notes)) this.storage.removeItem(key);
		}
	}
}
