// What the page knows. Pure: no network, no DOM.

// A conversation, and a stretch of its history: `from <= seq <= to`.
export class Conversation {
	// By seq; some stand outside of the stretch.
	messages = new Map();
	typing = new Map();

	// Of changes up to `info.head_rev` was heard; up to `cursor` none is missing.
	constructor(info) {
		Object.assign(this, { id: info.id, info, cursor: info.head_rev });
	}

	get title() {
		return this.info.kind === 'group' ? `#${this.info.name}` : this.info.peer.display_name;
	}

	get isLoaded() {
		return this.to > 0;
	}

	get isAtEnd() {
		return this.to === Infinity;
	}

	get isUnread() {
		return this.info.unread > 0 || this.info.marked_unread;
	}

	get runs() {
		return this.info.kind === 'group' && this.info.role !== 'member';
	}

	apply(message) {
		if (!(this.messages.get(message.seq)?.rev >= message.rev)) this.messages.set(message.seq, message);
	}

	// With `before` or `after` a page continues what is held, else it takes its place.
	addPage({ messages, has_before, has_after, head_rev }, { before, after }) {
		if (before && before !== this.from || after && after !== this.to) return; // another page came first
		if (!before && !after) Object.assign(this, { messages: new Map(), asked: new Set(), cursor: head_rev });
		messages.forEach((message) => this.apply(message));
		if (!after) this.from = has_before ? messages[0].seq : 0;
		if (!before) this.to = has_after ? messages.at(-1).seq : Infinity;
	}

	shown() {
		return [...this.messages.values()].filter(({ seq }) => seq >= this.from && seq <= this.to).sort((a, b) => a.seq - b.seq);
	}

	// Counts a live message. True: only the server can.
	count({ seq, rev, kind, sender, mentions, event }, me) {
		const { info } = this;
		info.head_rev = rev;
		info.last_seq = Math.max(seq, info.last_seq);
		if (event) return true;
		if (kind !== 'text' || sender.username === me || seq <= info.read_seq) return false;
		if (seq !== rev) return true;
		info.unread += 1;
		if (mentions?.includes(me)) info.mentions += 1;
		return false;
	}

	read({ seq, unread, mentions }) {
		Object.assign(this.info, { unread, mentions, read_seq: Math.max(seq, this.info.read_seq) });
	}

	// Takes a description, but no count that is older than ours.
	describe(info) {
		const { unread, mentions, last_seq, head_rev, read_seq } = this.info;
		this.info = info.head_rev < head_rev ? { ...info, unread, mentions, last_seq, head_rev } : info;
		this.info.read_seq = Math.max(info.read_seq, read_seq);
		if (!this.isLoaded) this.cursor = info.head_rev;
	}
}

export class Store {
	conversations = new Map();
	online = new Set();

	constructor(me) {
		this.me = me;
	}

	// Tells what must be caught up, and what is no longer mine.
	ready({ epoch, user, server, online, conversations }) {
		const before = this.conversations;
		const restored = this.epoch !== epoch || conversations.some(({ id, head_rev }) => before.get(id)?.cursor > head_rev);
		Object.assign(this, { epoch, me: user, limits: server.limits, name: server.name, online: new Set(online) });
		this.conversations = new Map(conversations.map((info) => {
			const conv = (!restored && before.get(info.id)) || new Conversation(info);
			conv.info = info;
			if (!conv.isLoaded) conv.cursor = info.head_rev;
			return [info.id, conv];
		}));
		return {
			stale: [...this.conversations.values()].filter(({ cursor, info }) => cursor < info.head_rev),
			gone: [...before.values()].filter(({ id }) => !this.conversations.has(id)),
		};
	}

	describe(info) {
		const known = this.conversations.get(info.id);
		if (known) known.describe(info);
		else this.conversations.set(info.id, new Conversation(info));
	}

	presence({ changes }) {
		for (const { username, online } of changes) this.online[online ? 'add' : 'delete'](username);
	}

	unread() {
		let [names, any] = [0, false];
		for (const { info, isUnread } of this.conversations.values()) {
			if (isQuiet(info)) continue;
			names += info.kind === 'direct' ? info.unread : info.mentions;
			any ||= isUnread;
		}
		return { names, any };
	}
}

const isQuiet = ({ level, muted_until }) => level === 'nothing' || muted_until > Date.now();

// Is it worth a notification?
export const disturbs = (info, { kind, seq, rev, sender, mentions }, me) => kind === 'text' && seq === rev
	&& sender.username !== me && !isQuiet(info) && (info.level === 'all' || Boolean(mentions?.includes(me)));
