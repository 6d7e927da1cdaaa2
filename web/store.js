// What the page knows: conversations, their messages, who is online. Pure: no network, no DOM.

/** One conversation: its messages, and which stretches of its history are held. */
export class Conversation {
	constructor(info) {
		this.id = info.id;
		this.info = info;
		/** By seq; also some outside of `covers`, newer than a page that may come. */
		this.messages = new Map();
		/** Stretches of seqs without holes, ascending; `to` is Infinity where live messages continue it. */
		this.covers = [];
		/** No change up to this rev is missing. */
		this.cursor = info.head_rev;
		/** The rev that `info.unread` counts up to. */
		this.counted = info.head_rev;
		/** Who types, until when. */
		this.typing = new Map();
	}

	get title() {
		return this.info.kind === 'group' ? `#${this.info.name}` : this.info.peer.display_name;
	}

	get isLoaded() {
		return this.covers.length > 0;
	}

	get isAtEnd() {
		return this.covers.at(-1)?.to === Infinity;
	}

	/** May I run the group? */
	get runs() {
		return this.info.kind === 'group' && this.info.role !== 'member';
	}

	/** Inserts, or replaces what is older. Twice or out of order is harmless. */
	apply(message) {
		if (!(this.messages.get(message.seq)?.rev >= message.rev)) this.messages.set(message.seq, message);
	}

	/** Takes a page of history that was asked for with `before`, `after` or neither. */
	addPage({ messages, has_before, has_after }, { before, after } = {}) {
		messages.forEach((message) => this.apply(message));
		const from = after ? after + 1 : has_before ? messages[0]?.seq : 0;
		const to = before ? before - 1 : has_after ? messages.at(-1)?.seq : Infinity;
		if (!(from <= to)) return;
		const all = [...this.covers, { from, to }].sort((a, b) => a.from - b.from);
		this.covers = [];
		for (const next of all) {
			const last = this.covers.at(-1);
			if (last?.to >= next.from - 1) last.to = Math.max(last.to, next.to);
			else this.covers.push(next);
		}
	}

	/** Live messages no longer continue what is held: it ends with what is known for sure. */
	cut() {
		const last = this.covers.at(-1);
		last.to = Math.min(last.to, Math.max(last.from, this.cursor));
	}

	/** What to show, in order: messages, and `{gap, before}` or `{gap, after}` where history is not held. */
	rows() {
		const seqs = [...this.messages.keys()].sort((a, b) => a - b);
		const rows = [];
		let end = 'top';
		for (const { from, to } of this.covers) {
			if (from) rows.push({ gap: end, before: from });
			rows.push(...seqs.filter((seq) => seq >= from && seq <= to).map((seq) => this.messages.get(seq)));
			end = to;
		}
		if (this.isLoaded && !this.isAtEnd) rows.push({ gap: 'end', after: end });
		return rows;
	}

	/** Counts a live message with the next rev. @returns {boolean} can only the server tell the count now? */
	count(message, me) {
		const { info } = this;
		const { seq, rev, kind, sender, mentions, event } = message;
		this.cursor = rev;
		info.last_seq = Math.max(seq, info.last_seq);
		if (rev <= this.counted) return false;
		this.counted = rev;
		if (event) return true;
		if (kind !== 'text' || sender.username === me || seq <= info.read_seq) return false;
		if (seq !== rev) return true;
		info.unread = Math.min(info.unread + 1, 1000);
		if (mentions?.includes(me)) info.mentions += 1;
		return false;
	}

	/** Takes the server's description, but no count that is older than ours. */
	describe(info) {
		const { unread, mentions, last_seq, read_seq } = this.info;
		if (info.head_rev < this.counted) Object.assign(info, { unread, mentions, last_seq });
		this.counted = Math.max(this.counted, info.head_rev);
		info.read_seq = Math.max(info.read_seq, read_seq);
		this.info = info;
	}
}

/** Everything that the page knows of one login. */
export class Store {
	constructor(me) {
		this.me = me;
		this.conversations = new Map();
		this.online = new Set();
	}

	/** Takes `ready`. @returns {{stale: Conversation[], gone: Conversation[]}} what must be caught up, what is no longer mine */
	ready({ epoch, user, server, online, conversations }) {
		const before = this.conversations;
		const restored = this.epoch !== epoch || conversations.some(({ id, head_rev }) => before.get(id)?.cursor > head_rev);
		Object.assign(this, { epoch, me: user, limits: server.limits, name: server.name, online: new Set(online) });
		this.conversations = new Map(conversations.map((info) => {
			const conv = (!restored && before.get(info.id)) || new Conversation(info);
			conv.info = info;
			conv.counted = info.head_rev;
			if (!conv.isLoaded) conv.cursor = info.head_rev;
			return [info.id, conv];
		}));
		const stale = [...this.conversations.values()].filter((conv) => conv.cursor < conv.info.head_rev);
		return { stale, gone: [...before.values()].filter(({ id }) => !this.conversations.has(id)) };
	}

	/** I am in it now, or something about me in it changed. */
	describe(info) {
		const known = this.conversations.get(info.id);
		if (known) known.describe(info);
		else this.conversations.set(info.id, new Conversation(info));
	}

	presence({ changes }) {
		for (const { username, online } of changes) this.online[online ? 'add' : 'delete'](username);
	}

	/** What is unread, for the title. */
	unread() {
		let [names, any] = [0, false];
		for (const { info } of this.conversations.values()) {
			if (isQuiet(info)) continue;
			names += info.kind === 'direct' ? info.unread : info.mentions;
			any ||= info.unread > 0 || info.marked_unread;
		}
		return { names, any };
	}
}

/** Nothing of it should disturb now. */
export const isQuiet = ({ level, muted_until }) => level === 'nothing' || muted_until > Date.now();

/** Is this message worth a notification? */
export const disturbs = (info, { kind, seq, rev, sender, mentions }, me) => kind === 'text' && seq === rev
	&& sender.username !== me && !isQuiet(info) && (info.level === 'all' || Boolean(mentions?.includes(me)));
