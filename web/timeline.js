// The messages of a conversation; nodes stay while what they show does.
import { $, attempt, button, closeDialogs, dialog, form, h } from './dom.js';
import { draw, line, parse } from './text.js';

const GROUP_MS = 300_000;
const QUICK = ['👍', '❤️', '😂', '🎉', '👀', '✅', '🙏', '🚀'];
const NEW = 'New messages';
const log = $('log');
const near = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => isIntersecting && target.click()),
	{ root: log, rootMargin: '300px' });
const box = (node) => node.getBoundingClientRect();
const clock = (ms) => h('time', { title: new Date(ms).toLocaleString() },
	new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));

const notice = ({ kind, user, by, value = '' }) => ({
	created: `${by} created the group`,
	joined: `${user} joined`,
	left: `${user} left`,
	added: `${by} added ${user}`,
	removed: `${by} removed ${user}`,
	role: `${by} made ${user} ${value}`,
	renamed: `${by} renamed the group to #${value}`,
	topic: `${by} set the topic: ${line(value)}`,
	visibility: `${by} made the group ${value}`,
}[kind] ?? kind);

export class Timeline {
	// At the end, and to stay there.
	stuck = true;
	#nodes = new Map();
	#tools;

	constructor(app) {
		this.app = app;
		log.onscroll = () => {
			this.stuck = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
			this.#settle();
			app.read();
		};
		log.onkeydown = (event) => this.#key(event);
		log.addEventListener('focusin', ({ target }) => this.#arm(target));
		log.onmouseover = ({ target }) => log.contains(document.activeElement) || this.#arm(target);
		new ResizeObserver(() => this.#settle()).observe(log);
		$('latest').onclick = () => this.latest();
	}

	show(conv) {
		Object.assign(this, { conv, stuck: true, target: false });
		this.#nodes.clear();
		log.replaceChildren();
		if (!conv) return;
		const { unread, read_seq, marked_unread } = conv.info;
		conv.divider = unread ? read_seq : marked_unread ? conv.divider : null;
		if (conv.isLoaded) return;
		this.target = unread > 40;
		this.#load(this.target ? { around: read_seq } : {});
	}

	async #load(asked) {
		await attempt(() => this.app.sync.load(this.conv, asked));
		this.draw();
	}

	async latest() {
		this.stuck = true;
		if (!this.conv.isAtEnd) await this.#load({});
		this.draw();
	}

	async jump(seq) {
		if (!this.#nodes.has(seq)) await this.#load({ around: seq });
		const node = this.#nodes.get(seq);
		node?.scrollIntoView({ block: 'center' });
		node?.focus();
	}

	#settle() {
		if (!this.conv) return;
		const { isAtEnd, info } = this.conv;
		if (this.stuck) log.scrollTop = log.scrollHeight;
		$('latest').hidden = this.stuck && isAtEnd;
		$('latest').textContent = info.unread ? `↓ ${info.unread} new` : '↓ Latest';
	}

	// Nothing moves under the reader's eyes.
	draw() {
		const { conv } = this;
		if (!conv) return;
		const { top } = box(log);
		const first = [...log.children].find((node) => box(node).bottom > top);
		const offset = first && box(first).top;
		const focused = document.activeElement.closest('#log > *')?.key;
		const nodes = this.#wanted(conv);
		[...log.children].forEach((node) => nodes.includes(node) || node.remove());
		nodes.forEach((node, at) => node === log.children[at] || log.insertBefore(node, log.children[at]));
		const known = this.#nodes = new Map(nodes.map((node) => [node.key, node]));
		if (focused && !log.contains(document.activeElement)) known.get(focused)?.focus({ preventScroll: true });
		if (this.target && conv.isLoaded) {
			known.get(NEW)?.scrollIntoView({ block: 'center' });
			this.stuck = this.target = false;
		} else if (!this.stuck && known.has(first?.key)) log.scrollTop += box(known.get(first.key)).top - offset;
		this.#settle();
	}

	#wanted(conv) {
		const { app } = this;
		const nodes = [];
		let before = {};
		let isNew = conv.divider == null;
		const add = (key, version, make) => {
			const old = this.#nodes.get(key);
			nodes.push(old && old.version === version ? old : Object.assign(make(), { key, version }));
		};
		const rule = (text, type) => {
			add(text, type, () => h(type, text));
			before = {};
		};
		const more = (where, seq) => add(where, seq, () => {
			const node = button('…', () => this.#load({ [where]: seq }), 'More messages', { class: 'gap' });
			near.observe(node);
			return node;
		});
		if (conv.from) more('before', conv.from);
		for (const message of conv.shown()) {
			const { seq, rev, kind, sender, sent_at, reply_to } = message;
			const day = new Date(sent_at).toLocaleDateString([], { dateStyle: 'full' });
			if (before.day !== day) rule(day, 'p.day');
			if (!isNew && seq > conv.divider && kind === 'text' && sender.id !== app.me.id) {
				isNew = true;
				rule(NEW, 'p.day.new');
			}
			const goesOn = before.id === sender.id && sent_at - before.at < GROUP_MS && !reply_to;
			add(seq, `${rev} ${goesOn} ${conv.messages.get(reply_to)?.rev}`, () => this.#message(message, goesOn));
			before = { day, id: kind === 'text' && sender.id, at: sent_at };
		}
		if (conv.to < Infinity) more('after', conv.to);
		if (conv.isLoaded) app.outbox.of(conv.id).forEach((item) => add(item.id, item.error, () => this.#pending(item)));
		return nodes;
	}

	#message(message, goesOn) {
		const { app, conv } = this;
		const me = app.me.username;
		const { sender, body, sent_at, deleted_at, edited_at, reply_to, reactions = [], mentions = [], event } = message;
		if (event) return h('p.notice', clock(sent_at), ' ', notice(event));
		const name = line(sender.display_name);
		const who = h('bdi.who', name);
		who.style.setProperty('--hue', sender.id * 137);
		const quoted = conv.messages.get(reply_to);
		if (reply_to && !quoted) app.sync.fetch(conv, reply_to);
		const node = h(`article.msg${goesOn ? '.more' : ''}${mentions.includes(me) ? '.me' : ''}`, { tabindex: -1 },
			h('header', who, h('small', name !== sender.username && `@${sender.username} `, clock(sent_at))),
			reply_to && button(`↳ ${quoted ? `${quoted.sender.username}: ${line(quoted.body) || 'deleted'}` : '…'}`,
				() => this.jump(reply_to), null, { class: 'quote', dir: 'auto' }),
			deleted_at ? h('em.body.dim', 'deleted') : h('div.body', { dir: 'auto' }, draw(parse(body, mentions), me)),
			edited_at && !deleted_at && h('small', 'edited'),
			h('div.row', reactions.map(({ emoji, count, users }) => button(`${emoji} ${count}`,
				() => this.#react(users.includes(me) ? 'DELETE' : 'PUT', message, emoji),
				`${emoji} ${count}: ${users.join(', ')}`, { 'aria-pressed': `${users.includes(me)}` }))));
		if (!deleted_at) node.message = message;
		return node;
	}

	#pending(item) {
		const { outbox } = this.app;
		return h(item.error ? 'article.msg.failed' : 'article.msg.pending', { tabindex: -1 },
			h('div.body', { dir: 'auto' }, draw(parse(item.body))),
			item.error ? h('p.error', `Not sent: ${item.error} `, button('Try again', () => outbox.retry(item)),
				button('Discard', () => outbox.drop(item))) : h('small', 'Sending…'));
	}

	#arm(target) {
		const node = target.closest('.msg');
		const { message } = node ?? {};
		if (message && this.#tools?.parentNode === node) return;
		this.#tools?.remove();
		if (!message) return;
		const { app, conv } = this;
		const isMine = message.sender.id === app.me.id;
		this.#tools = h('div.tools', { role: 'toolbar', 'aria-label': 'Actions' },
			button('☺', () => this.#pick(message), 'React'), button('↩', () => app.composer.turn(message), 'Reply'),
			isMine && button('✎', () => app.composer.turn(message, true), 'Edit'),
			(isMine || conv.runs) && button('✕', () => this.#delete(message), 'Delete'),
			button('●', () => app.markUnread(message.seq - 1), 'Unread from here'));
		node.append(this.#tools);
	}

	#change(method, { seq }, path = '') {
		return this.app.api.call(method, `/conversations/${this.conv.id}/messages/${seq}${path}`);
	}

	#react(method, message, emoji) {
		attempt(() => this.#change(method, message, `/reactions/${encodeURIComponent(emoji)}`));
	}

	#pick(message) {
		const choose = (emoji) => { closeDialogs(); this.#react('PUT', message, emoji); };
		dialog('React', h('div.row', QUICK.map((emoji) => button(emoji, () => choose(emoji)))),
			form([['emoji', 'Another emoji', { required: true }]], 'React', ({ emoji }) => choose(emoji)));
	}

	#delete(message) {
		dialog('Delete this message?', h('p', { dir: 'auto' }, line(message.body).slice(0, 200)),
			form([], 'Delete', () => this.#change('DELETE', message)));
	}

	#key(event) {
		const { key } = event;
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const all = [...log.querySelectorAll('.msg')];
		const node = document.activeElement.closest('.msg');
		const at = node ? all.indexOf(node) : all.length;
		const to = { ArrowUp: Math.max(0, at - 1), ArrowDown: at + 1, Home: 0, End: all.length - 1 }[key];
		const tool = { r: 'Reply', e: 'Edit', d: 'Delete', u: 'Unread from here', '+': 'React' }[key];
		if (to !== undefined || key === 'Escape') (all[to] ?? $('input')).focus();
		else if (tool && node) this.#tools.querySelector(`[aria-label="${tool}"]`)?.click();
		else return;
		event.preventDefault();
	}
}
