// What waits to be sent, and drafts. One entry a message, so that tabs never overwrite each other's.
import { frames, uuid } from './frames.js';

const RETRY = ['unavailable', 'rate_limited', 'storage_full'];

export class Outbox {
	#flying = new Set();

	constructor(app, storage = localStorage) {
		const { id } = app.me;
		Object.assign(this, { app, storage, prefix: `chat.outbox.${id}.`, notes: `chat.draft.${id}.` });
	}

	#keys(prefix) {
		return Object.keys(this.storage).filter((key) => key.startsWith(prefix)).sort();
	}

	#all() {
		return this.#keys(this.prefix).map((key) => JSON.parse(this.storage[key]));
	}

	of(conversation) {
		return this.#all().filter((item) => item.conversation_id === conversation);
	}

	#keep(item) {
		this.storage[this.prefix + item.id] = JSON.stringify(item);
		this.#land(item.id);
	}

	add(conversation_id, body, reply_to) {
		this.#keep({ id: uuid(), conversation_id, body, reply_to });
	}

	// Sends the oldest of each conversation; ids sort by time.
	#flush() {
		const busy = new Set();
		for (const { id, conversation_id, body, reply_to, error } of this.#all()) {
			if (error || busy.has(conversation_id)) continue;
			busy.add(conversation_id);
			if (!this.#flying.has(id) && this.app.socket.send(frames.send(id, conversation_id, body, reply_to))) this.#flying.add(id);
		}
	}

	// Sends again what flew on a lost connection.
	again() {
		this.#flying.clear();
		this.#flush();
	}

	#land(id) {
		this.#flying.delete(id);
		this.app.changed();
		this.#flush();
	}

	// The server has it; another tab may have taken it out.
	done(id) {
		if (this.#flying.has(id) || this.storage[this.prefix + id]) this.drop({ id });
	}

	// Was one of these refused?
	refused({ id, code, detail, retry_after_ms = 2000 }) {
		const item = this.storage[this.prefix + id];
		if (item && RETRY.includes(code)) setTimeout(() => this.#land(id), retry_after_ms);
		else if (item) this.#keep({ ...JSON.parse(item), error: detail });
		return item;
	}

	// Once more, under the same id.
	retry({ error: _, ...item }) {
		this.#keep(item);
	}

	drop({ id }) {
		delete this.storage[this.prefix + id];
		this.#land(id);
	}

	fail(conversation, error) {
		this.of(conversation).forEach((item) => this.#keep({ ...item, error }));
	}

	draft(conversation) {
		return this.storage[this.notes + conversation] ?? '';
	}

	note(conversation, text) {
		this.storage[this.notes + conversation] = text;
	}

	clear() {
		[this.prefix, this.notes].flatMap((prefix) => this.#keys(prefix)).forEach((key) => delete this.storage[key]);
	}
}
