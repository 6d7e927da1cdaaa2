// What waits to be sent, and drafts: kept in the browser. One entry a message, so that tabs never overwrite each
// other's; ids sort by time, and so do the messages.
import { frames, uuid } from './frames.js';

const RETRY = ['unavailable', 'rate_limited', 'storage_full'];

export class Outbox {
	#flying = new Set();

	/** `send` says whether a frame was sent. */
	constructor(user, send, onchange, storage = localStorage) {
		Object.assign(this, { send, onchange, storage, prefix: `chat.outbox.${user}.`, notes: `chat.draft.${user}.` });
	}

	#keys(prefix) {
		return Object.keys(this.storage).filter((key) => key.startsWith(prefix)).sort();
	}

	#all() {
		return this.#keys(this.prefix).map((key) => JSON.parse(this.storage.getItem(key)));
	}

	/** What is not sent yet, oldest first. */
	of(conversation) {
		return this.#all().filter((item) => item.conversation_id === conversation);
	}

	#keep(item) {
		this.storage.setItem(this.prefix + item.id, JSON.stringify(item));
		this.#land(item.id);
	}

	add(conversation_id, body, reply_to) {
		this.#keep({ id: uuid(), conversation_id, body, reply_to });
	}

	/** Sends the oldest of each conversation: one at a time, so that the order holds. */
	#flush() {
		const busy = new Set();
		for (const { id, conversation_id, body, reply_to, error } of this.#all()) {
			if (error || busy.has(conversation_id)) continue;
			busy.add(conversation_id);
			if (!this.#flying.has(id) && this.send(frames.send(id, conversation_id, body, reply_to))) this.#flying.add(id);
		}
	}

	/** A new connection: what flew on the old one is sent again. */
	again() {
		this.#flying.clear();
		this.#flush();
	}

	#land(id) {
		this.#flying.delete(id);
		this.onchange();
		this.#flush();
	}

	/** The server has it. Another tab may have taken it out already. */
	done(id) {
		if (this.#flying.has(id) || this.storage.getItem(this.prefix + id)) this.drop({ id });
	}

	/** The server refused something: was it one of these? */
	refused({ id, code, detail, retry_after_ms = 2000 }) {
		const item = JSON.parse(this.storage.getItem(this.prefix + id));
		if (!item) return false;
		if (RETRY.includes(code)) setTimeout(() => this.#land(id), retry_after_ms);
		else this.#keep({ ...item, error: detail });
		return true;
	}

	/** Once more, under the same id. */
	retry({ error: _, ...item }) {
		this.#keep(item);
	}

	drop({ id }) {
		this.storage.removeItem(this.prefix + id);
		this.#land(id);
	}

	fail(conversation, error) {
		this.of(conversation).forEach((item) => this.#keep({ ...item, error }));
	}

	draft(conversation) {
		return this.storage.getItem(this.notes + conversation) ?? '';
	}

	note(conversation, text) {
		this.storage.setItem(this.notes + conversation, text);
	}

	clear() {
		for (const prefix of [this.prefix, this.notes]) this.#keys(prefix).forEach((key) => this.storage.removeItem(key));
	}
}
