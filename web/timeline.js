// The messages of one conversation, drawn as nodes that are kept while what they show stays the same.
import { $, attempt, button, dialog, form, h } from './dom.js';
import { draw, line, parse } from './text.js';

const GROUP_MS = 5 * 60_000;
const NEAR = 300;
const QUICK = ['👍', '❤️', '😂', '🎉', '👀', '✅', '🙏', '🚀'];
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const when = (ms) => h('time', { datetime: new Date(ms).toISOString(), title: new Date(ms).toLocaleString() }, clock.format(ms));

/** What a notice says. */
export function notice({ kind, user, by, value }) {
	return {
		created: `${by} created the group`,
		joined: `${user} joined`,
		left: `${user} left`,
		added: `${by} added ${user}`,
		removed: `${by} removed ${user}`,
		role: `${by} made ${user} ${value}`,
		renamed: `${by} renamed the group to #${value}`,
		topic: value ? `${by} set the topic: ${line(value)}` : `${by} removed the topic`,
		visibility: `${by} made the group ${value}`,
	}[kind] ?? 'Something changed';
}

export class Timeline {
	/** @param {import('./app.js').App} app */
	constructor(app) {
		this.app = app;
		this.log = $('log');
		this.nodes = new Map();
		this.stuck = true;
		this.tools = h('div', { class: 'tools', role: 'toolbar', 'aria-label': 'Message' });
		this.log.addEventListener('scroll', () => this.#scrolled());
		this.log.addEventListener('keydown', (event) => this.#key(event));
		this.log.addEventListener('focusin', ({ target }) => this.#arm(target.closest('.msg')));
		this.log.addEventListener('mouseover', ({ target }) => {
			if (!this.log.contains(document.activeElement)) this.#arm(target.closest('.msg'));
		});
		new ResizeObserver(() => this.stuck && this.#toEnd()).observe(this.log);
		$('latest').onclick = () => this.latest();
	}

	/** Shows another conv, or none. */
	async show(conv) {
		Object.assign(this, { conv, target: null, stuck: true, divider: null });
		this.nodes.clear();
		this.log.replaceChildren();
		if (!conv) return;
		const { unread, read_seq } = conv.info;
		if (unread) this.divider = read_seq;
		this.draw();
		if (conv.isLoaded) return;
		const far = unread > 40;
		if (far) this.target = read_seq;
		await this.#load(far ? { around: read_seq } : {});
	}

	async #load(asked) {
		this.log.setAttribute('aria-busy', true);
		await attempt(() => this.app.sync.load(this.conv, asked));
		this.log.setAttribute('aria-busy', false);
	}

	/** To the newest message. */
	async latest() {
		if (!this.conv.isAtEnd) await this.#load({});
		this.stuck = true;
		this.draw();
	}

	/** To a message, wherever it is. */
	async jump(seq) {
		if (!this.nodes.has(`m${seq}`)) {
			this.target = seq;
			await this.#load({ around: seq });
		}
		const node = this.nodes.get(`m${seq}`);
		node?.scrollIntoView({ block: 'center' });
		node?.focus({ preventScroll: true });
	}

	#toEnd() {
		this.log.scrollTop = this.log.scrollHeight;
	}

	#scrolled() {
		const { scrollHeight, scrollTop, clientHeight } = this.log;
		this.stuck = scrollHeight - scrollTop - clientHeight < 40;
		this.#latestButton();
		this.app.read();
		this.#fill();
	}

	#latestButton() {
		const { isAtEnd, info } = this.conv ?? {};
		$('latest').hidden = !this.conv || (this.stuck && isAtEnd);
		$('latest').textContent = info?.unread ? `↓ ${info.unread} new` : '↓ Latest';
	}

	/** Loads the holes in the history that are in sight. */
	#fill() {
		const view = this.log.getBoundingClientRect();
		for (const gap of this.log.querySelectorAll('.gap')) {
			const { top, bottom } = gap.getBoundingClientRect();
			if (bottom > view.top - NEAR && top < view.bottom + NEAR) gap.load();
		}
	}

	/** Brings the nodes in line with the store. Nothing moves under the reader's eyes. */
	draw() {
		const { conv, log } = this;
		if (!conv) return;
		const top = log.getBoundingClientRect().top;
		const anchor = [...log.children].find((node) => node.getBoundingClientRect().bottom > top);
		const offset = anchor?.getBoundingClientRect().top;
		const focused = document.activeElement?.closest?.('#log > *')?.key;
		const nodes = this.#wanted();
		const wanted = new Set(nodes);
		for (const node of [...log.children]) if (!wanted.has(node)) node.remove();
		let at = log.firstChild;
		for (const node of nodes) {
			if (node === at) at = at.nextSibling;
			else log.insertBefore(node, at);
		}
		this.nodes = new Map(nodes.map((node) => [node.key, node]));
		if (focused && !log.contains(document.activeElement)) this.nodes.get(focused)?.focus({ preventScroll: true });
		if (this.target && conv.isLoaded) {
			(this.nodes.get('new') ?? this.nodes.get(`m${this.target}`))?.scrollIntoView({ block: 'center' });
			this.target = null;
			this.#scrolled();
		} else if (this.stuck) this.#toEnd();
		else if (anchor) {
			const same = this.nodes.get(anchor.key);
			if (same) log.scrollTop += same.getBoundingClientRect().top - offset;
		}
		this.#latestButton();
		this.#fill();
	}

	#wanted() {
		const { conv, app } = this;
		const nodes = [];
		const add = (key, version, make) => {
			const old = this.nodes.get(key);
			const node = old?.version === version ? old : make();
			nodes.push(Object.assign(node, { key, version }));
		};
		let before = null;
		let isNew = this.divider === null;
		for (const { message, gap, ...asked } of conv.rows()) {
			if (gap) {
				add(`gap${gap}`, JSON.stringify(asked), () => this.#gap(asked));
				before = null;
				continue;
			}
			const day = new Date(message.sent_at).toDateString();
			if (before?.day !== day) {
				add(`day${day}`, '', () => h('p', { class: 'day' }, calendar.format(message.sent_at)));
				before = null;
			}
			if (!isNew && message.seq > this.divider && message.kind === 'text' && message.sender.id !== app.me.id) {
				isNew = true;
				before = null;
				add('new', '', () => h('p', { class: 'new' }, 'New messages'));
			}
			const more = before?.who === message.sender.id && message.sent_at - before.at < GROUP_MS;
			const quoted = conv.messages.get(message.reply_to);
			add(`m${message.seq}`, `${message.rev} ${more} ${quoted?.rev}`, () => this.#message(message, more));
			before = { day, who: message.event ? 0 : message.sender.id, at: message.sent_at };
		}
		if (conv.isLoaded) {
			for (const item of app.outbox.of(conv.id)) {
				add(`o${item.id}`, `${item.error}`, () => this.#pending(item));
			}
		}
		return nodes;
	}

	#gap(asked) {
		const node = button('Earlier messages are not loaded', () => node.load(), { class: 'gap' });
		if (asked.after) node.textContent = 'Later messages are not loaded';
		node.load = () => {
			if (!node.isBusy) {
				node.isBusy = true;
				this.#load(asked).finally(() => { node.isBusy = false; });
			}
		};
		return node;
	}

	#message(message, more) {
		const { app } = this;
		const me = app.me.username;
		const { sender, seq, body, deleted_at, edited_at, reply_to, reactions = [], mentions = [], event } = message;
		if (event) return h('p', { class: 'notice' }, when(message.sent_at), ' ', notice(event));
		const name = line(sender.display_name);
		const names = mentions.includes(me) || /(^|\W)@here\b/i.test(body) && sender.username !== me;
		const node = h('article', {
			class: `msg${more && !reply_to ? ' more' : ''}${names ? ' me' : ''}`, tabindex: -1,
		}, h('header', {},
			h('bdi', { class: `who c${sender.id % 6}` }, name),
			name !== sender.username && h('span', { class: 'handle' }, ` @${sender.username}`), ' ', when(message.sent_at)));
		if (reply_to) {
			const quoted = this.conv.messages.get(reply_to);
			if (!quoted) app.sync.fetch(this.conv, reply_to);
			const text = quoted ? `${quoted.sender.username}: ${line(quoted.body).slice(0, 120) || '(deleted)'}` : '…';
			node.append(button(`↳ ${text}`, () => this.jump(reply_to), { class: 'quote', dir: 'auto' }));
		}
		node.append(deleted_at
			? h('div', { class: 'body gone' }, 'deleted')
			: h('div', { class: 'body', dir: 'auto' }, draw(parse(body, mentions), me)));
		if (edited_at && !deleted_at) node.lastChild.append(h('span', { class: 'edited' }, ' (edited)'));
		if (reactions.length) {
			node.append(h('div', { class: 'reactions' }, reactions.map(({ emoji, count, users }) => button(
				`${emoji} ${count}`, () => this.#react(message, emoji),
				{ 'aria-pressed': String(users.includes(me)), title: users.join(', '), 'aria-label': `${emoji} ${count}: ${users.join(', ')}` },
			))));
		}
		if (!deleted_at) node.message = message;
		node.dataset.seq = seq;
		return node;
	}

	#pending(item) {
		const { outbox } = this.app;
		return h('article', { class: `msg ${item.error ? 'failed' : 'pending'}`, tabindex: -1 },
			h('div', { class: 'body', dir: 'auto' }, draw(parse(item.body))),
			h('p', { class: 'fate' }, item.error ? `Not sent: ${item.error} ` : 'Sending…',
				item.error && [button('Try again', () => outbox.retry(item)), button('Discard', () => outbox.drop(item))]));
	}

	/** Puts the tools on a message. */
	#arm(node) {
		const message = node?.message;
		if (!message) return this.tools.remove();
		if (this.tools.parentNode === node) return undefined;
		const { app, conv } = this;
		const mine = message.sender.id === app.me.id;
		const tool = (text, label, work) => button(text, () => work(message), { 'aria-label': label, title: label });
		this.tools.replaceChildren(...[
			tool('☺', 'React', () => this.#pick(message)),
			tool('↩', 'Reply', () => app.composer.reply(message)),
			mine && tool('✎', 'Edit', () => app.composer.edit(message)),
			(mine || conv.runs) && tool('✕', 'Delete', () => this.#delete(message)),
		].filter(Boolean));
		node.append(this.tools);
		return undefined;
	}

	#path({ seq }) {
		return `/conversations/${this.conv.id}/messages/${seq}`;
	}

	#react(message, emoji) {
		const on = !message.reactions?.find((one) => one.emoji === emoji)?.users.includes(this.app.me.username);
		const path = `${this.#path(message)}/reactions/${encodeURIComponent(emoji)}`;
		return attempt(() => this.app.api.call(on ? 'PUT' : 'DELETE', path));
	}

	#pick(message) {
		const choose = (emoji) => { node.close(); this.#react(message, emoji); };
		const node = dialog('React', h('div', { class: 'row' }, QUICK.map((emoji) => button(emoji, () => choose(emoji)))),
			form([{ name: 'emoji', label: 'Another emoji', required: true, maxlength: 32 }], 'React', ({ emoji }) => choose(emoji.trim())));
	}

	#delete(message) {
		const path = this.#path(message);
		const node = dialog('Delete this message?', h('p', { dir: 'auto' }, line(message.body).slice(0, 200)),
			form([], 'Delete', async () => { await this.app.api.call('DELETE', path); node.close(); }));
	}

	#key(event) {
		const node = document.activeElement.closest('.msg');
		const all = [...this.log.querySelectorAll('.msg')];
		const at = node ? all.indexOf(node) : all.length;
		const to = { ArrowUp: at - 1, k: at - 1, ArrowDown: at + 1, j: at + 1, Home: 0, End: all.length - 1 }[event.key];
		const { composer } = this.app;
		const message = node?.message;
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		if (to !== undefined) (all[Math.max(0, to)] ?? $('input')).focus();
		else if (event.key === 'Escape') $('input').focus();
		else if (message && event.key === 'r') composer.reply(message);
		else if (message && event.key === '+') this.#pick(message);
		else if (message && event.key === 'e' && message.sender.id === this.app.me.id) composer.edit(message);
		else if (message && event.key === 'd') this.tools.querySelector('[aria-label=Delete]')?.click();
		else return;
		event.preventDefault();
	}
}
