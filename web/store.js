// What the page knows: conversations, their messages, who is online. Pure: no network, no DOM.

/** @typedef {{seq: number, rev: number, kind: string, sender: object, body: string}} Message */

/** One conv: its messages as a map, and which stretches of its history are held. */
export class Conversation {
	constructor(info) {
		this.id = info.id;
		this.messages = new Map();
		/** Stretches of seqs without holes, ascending; `to` is Infinity where live messages continue it. */
		this.covers = [];
		/** The highest rev up to which no change is missing. */
		this.cursor = info.head_rev;
		/** The rev that `info.unread` counts up to. */
		this.counted = info.head_rev;
		this.info = info;
		/** Who types, until when. */
		this.typing = new Map();
	}

	get title() {
		return this.info.kind === 'group' ? `#${this.info.name}` : this.info.peer?.display_name ?? '?';
	}

	get isLoaded() {
		return this.covers.length > 0;
	}

	get isAtEnd() {
		return this.covers.at(-1)?.to === Infinity;
	}

	get runs() {
		return this.info.kind === 'group' && this.info.role !== 'member';
	}

	/** Inserts, or replaces what is older. Twice or out of order is harmless. @returns {boolean} changed? */
	apply(message) {
		if (this.messages.get(message.seq)?.rev >= message.rev) return false;
		this.messages.set(message.seq, message);
		return true;
	}

	/** Takes a page of history. @param {{before?: number, after?: number}} asked */
	addPage(page, asked = {}) {
		const seqs = page.messages.map((message) => message.seq);
		page.messages.forEach((message) => this.apply(message));
		const from = asked.after !== undefined ? asked.after + 1 : page.has_before ? seqs[0] : 0;
		const to = asked.before !== undefined ? asked.before - 1 : page.has_after ? seqs.at(-1) : Infinity;
		if (from !== undefined && to !== undefined && from <= to) this.#cover(from, to);
	}

	#cover(from, to) {
		const all = [...this.covers, { from, to }].sort((a, b) => a.from - b.from);
		this.covers = [];
		for (const next of all) {
			const last = this.covers.at(-1);
			if (last && last.to >= next.from - 1) last.to = Math.max(last.to, next.to);
			else this.covers.push({ ...next });
		}
	}

	/** Live messages no longer continue what is held: it ends with what is known for sure. */
	cut() {
		const last = this.covers.at(-1);
		if (last?.to === Infinity) last.to = Math.max(last.from, this.cursor);
	}

	/** Forgets what is far from the seq, so that the page stays light. */
	trim(seq, most = 600) {
		const held = [...this.rows()].filter((row) => row.message).map((row) => row.message.seq);
		if (held.length <= most) return;
		const at = held.findIndex((other) => other >= seq);
		const begin = Math.max(0, Math.min(at - most / 3, held.length - most * 2 / 3)) | 0;
		const keep = held.slice(begin, begin + (most * 2 / 3 | 0));
		const [first, last] = [keep[0], keep.at(-1)];
		const isEnd = last === held.at(-1);
		this.covers = this.covers
			.filter((cover) => cover.to >= first && (isEnd || cover.from <= last))
			.map(({ from, to }) => ({ from: begin ? Math.max(from, first) : from, to: isEnd ? to : Math.min(to, last) }));
		for (const other of this.messages.keys()) {
			if (other < first || (!isEnd && other > last)) this.messages.delete(other);
		}
	}

	/** What to show, in order: `{message}`, and `{gap, before}` where history is not held. */
	rows() {
		const seqs = [...this.messages.keys()].sort((a, b) => a - b);
		const rows = [];
		let at = 0;
		this.covers.forEach(({ from, to }, index) => {
			if (from > 0) rows.push({ gap: index === 0 ? 'top' : `${this.covers[index - 1].to}`, before: from });
			while (seqs[at] < from) at += 1;
			for (; seqs[at] <= to; at += 1) rows.push({ message: this.messages.get(seqs[at]) });
		});
		if (this.isLoaded && !this.isAtEnd) rows.push({ gap: 'end', after: this.covers.at(-1).to });
		return rows;
	}

	/** @param {Message} message a live one, with the next rev */
	count(message, me) {
		this.cursor = message.rev;
		const { info } = this;
		if (message.seq > info.last_seq) info.last_seq = message.seq;
		if (message.rev <= this.counted) return true;
		this.counted = message.rev;
		const counts = message.kind === 'text' && message.sender.username !== me && message.seq > info.read_seq;
		if (message.event) this.#notice(message.event, me);
		if (message.seq !== message.rev) return !counts; // a change: only the server knows what it did to the count
		if (counts) {
			info.unread = Math.min(info.unread + 1, 1000);
			if (message.mentions?.includes(me)) info.mentions += 1;
		}
		return true;
	}

	#notice({ kind, user, value }, me) {
		const { info } = this;
		if (kind === 'topic' || kind === 'visibility') info[kind] = value;
		if (kind === 'renamed') info.name = value;
		if (kind === 'role' && user === me) info.role = value;
		if (kind === 'joined' || kind === 'added') info.member_count += 1;
		if (kind === 'left' || kind === 'removed') info.member_count -= 1;
	}

	/** Takes the server's present description. */
	describe(info) {
		if (info.head_rev < this.counted) {
			const { unread, mentions, last_seq, member_count } = this.info;
			Object.assign(info, { unread, mentions, last_seq, member_count });
		} else this.counted = info.head_rev;
		info.read_seq = Math.max(info.read_seq, this.info.read_seq);
		this.info = info;
	}
}

/** Everything that the page knows of one login. */
export class Store {
	constructor() {
		this.conversations = new Map();
		this.online = new Set();
		this.epoch = null;
		this.me = null;
		this.limits = { body: 16384, unread: 999 };
	}

	/**
	 * Takes `ready`. Tells what became stale and what is gone.
	 * @returns {{stale: Conversation[], gone: Conversation[], restored: boolean}}
	 */
	ready(frame) {
		const before = this.conversations;
		const restored = this.epoch !== null && (this.epoch !== frame.epoch
			|| frame.conversations.some((info) => before.get(info.id)?.cursor > info.head_rev));
		this.epoch = frame.epoch;
		this.me = frame.user;
		this.limits = frame.server.limits;
		this.name = frame.server.name;
		this.online = new Set(frame.online);
		this.conversations = new Map();
		const stale = [];
		for (const info of frame.conversations) {
			const known = restored ? undefined : before.get(info.id);
			const conv = known ?? new Conversation(info);
			conv.info = info;
			conv.counted = info.head_rev;
			if (!conv.isLoaded) conv.cursor = info.head_rev;
			else if (conv.cursor < info.head_rev) stale.push(conv);
			this.conversations.set(info.id, conv);
		}
		const gone = [...before.values()].filter(({ id }) => !this.conversations.has(id));
		return { stale, gone, restored };
	}

	/** I am in it now, or something about me in it changed. */
	describe(info) {
		const known = this.conversations.get(info.id);
		if (known) known.describe(info);
		else this.conversations.set(info.id, new Conversation(info));
		return this.conversations.get(info.id);
	}

	presence({ changes }) {
		for (const { username, online } of changes) this.online[online ? 'add' : 'delete'](username);
	}

	/** Counts of everything unread, for the title. */
	unread(now = Date.now()) {
		let mentions = 0;
		let unread = 0;
		for (const { info } of this.conversations.values()) {
			if (isQuiet(info, now)) continue;
			mentions += info.kind === 'direct' ? info.unread : info.mentions;
			unread += info.unread || Number(info.marked_unread);
		}
		return { mentions, unread };
	}
}

/** Nothing of it should disturb now. */
export function isQuiet(info, now = Date.now()) {
	return info.level === 'nothing' || info.muted_until > now;
}

/** Is this message worth a notification? */
export function disturbs(info, message, me) {
	if (message.kind !== 'text' || message.seq !== message.rev || message.sender.username === me) return false;
	return !isQuiet(info) && (info.level === 'all' || Boolean(message.mentions?.includes(me)));
}
