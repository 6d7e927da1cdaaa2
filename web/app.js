// Puts the parts together: the conversations, the open one, the title.
import { Composer } from './composer.js';
import * as dialogs from './dialogs.js';
import { $, attempt, closeDialogs, h, toast } from './dom.js';
import { frames } from './frames.js';
import { Outbox } from './outbox.js';
import { Socket } from './socket.js';
import { disturbs, Store } from './store.js';
import { Sync } from './sync.js';
import { line } from './text.js';
import { Timeline } from './timeline.js';

export class App {
	constructor(api) {
		this.api = api;
		this.store = new Store(api.user);
		this.socket = new Socket(this);
		this.outbox = new Outbox(this);
		this.sync = new Sync(this);
		this.timeline = new Timeline(this);
		this.composer = new Composer(this);
		for (const id of ['account', 'browse', 'people', 'members', 'about']) $(id).onclick = () => dialogs[id](this, this.conv);
		$('back').onclick = () => this.open('');
		$('find').oninput = () => this.#list();
		$('find').onkeydown = ({ key }) => {
			if (key !== 'Enter') return;
			$('side').querySelector('li a')?.click();
			$('find').value = '';
			this.#list();
		};
		$('bar').onclick = () => this.socket.start();
		onhashchange = () => this.#show();
		onfocus = ononline = onpageshow = document.onvisibilitychange = () => this.#awake();
		document.onkeydown = (event) => this.#key(event);
		onstorage = () => this.changed(); // another tab sent something
		setInterval(() => this.#second(), 1000);
		this.socket.start();
	}

	get me() {
		return this.store.me;
	}

	async logout() {
		await this.api.logout();
		this.outbox.clear();
		this.api.ended('');
	}

	take(frame) {
		const { type, id, detail } = frame;
		if (type === 'ack') this.outbox.done(id);
		if (type === 'error' && !this.outbox.refused(frame)) toast(detail);
		this.sync.take(frame);
		if (type !== 'ready') return;
		const [first] = this.store.conversations.keys();
		if (first && !location.hash && matchMedia('(min-width: 700px)').matches) history.replaceState(null, '', `#${first}`);
		this.#show();
		this.outbox.again();
	}

	message(conv, message, isNew) {
		const { sender, body } = message;
		this.outbox.done(message.id);
		if (message.event) conv.members = null;
		if (!isNew || (conv === this.conv && this.#looks)) return;
		if (window.Notification?.permission !== 'granted' || !disturbs(conv.info, message, this.me.username)) return;
		try {
			const note = new Notification(`${line(sender.display_name)}, ${line(conv.title)}`,
				{ body: line(body).slice(0, 200), tag: conv.id });
			note.onclick = () => { focus(); this.open(conv.id); note.close(); };
		} catch { /* some phones leave it to service workers */ }
	}

	enter(info) {
		this.store.describe(info);
		this.open(info.id);
	}

	open(id) {
		closeDialogs();
		location.hash = id;
	}

	#show() {
		const conv = this.store.conversations.get(Number(location.hash.slice(1)));
		$('app').className = conv ? 'open' : '';
		if (conv !== this.conv) {
			this.conv = conv;
			if (conv) conv.isKept = false;
			this.timeline.show(conv);
			this.composer.show(conv);
		}
		this.changed();
	}

	// Draws once for all changes that come together.
	changed() {
		this.drawing ??= setTimeout(() => {
			this.drawing = null;
			const { conv } = this;
			if (this.store.conversations.get(conv?.id) !== conv) this.#show();
			if (conv?.info.unread && !conv.isKept && !this.#looks) conv.divider = conv.info.read_seq;
			this.timeline.draw();
			this.read();
			this.#head();
			this.#list();
		});
	}

	get #looks() {
		return document.hasFocus() && this.timeline.stuck && this.conv?.isAtEnd;
	}

	// What is in sight of somebody who looks is read.
	read() {
		const { conv } = this;
		if (!this.#looks || conv.isBehind || conv.isKept || !conv.isUnread) return;
		Object.assign(conv.info, { read_seq: conv.info.last_seq, unread: 0, mentions: 0, marked_unread: false });
		this.socket.send(frames.read(conv.id, conv.info.read_seq)); // else `ready` tells that it is unread
		this.changed();
	}

	// Marks the open conversation unread, until it is opened again.
	markUnread(divider) {
		Object.assign(this.conv, { divider, isKept: true });
		this.set(this.conv, { marked_unread: true });
	}

	set({ id }, body) {
		attempt(() => this.api.call('PUT', `/conversations/${id}/settings`, body));
	}

	#head() {
		const { conv, store } = this;
		const title = conv ? line(conv.title) : 'chat';
		const { peer, topic } = conv?.info ?? { topic: 'Choose a conversation.' };
		$('members').hidden = $('about').hidden = !conv;
		$('name').textContent = title;
		$('topic').textContent = line(peer ? `@${peer.username} ${peer.status_text}` : topic);
		const { names, any } = store.unread();
		document.title = (names ? `(${names}) ` : any ? '• ' : '') + (conv ? `${title} · ${store.name}` : store.name);
	}

	#list() {
		const word = $('find').value.trim().toLowerCase();
		$('account').textContent = this.me.username;
		const all = [...this.store.conversations.values()].sort((a, b) => a.title.localeCompare(b.title));
		for (const kind of ['group', 'direct']) {
			const shown = $(kind);
			const list = shown.cloneNode();
			list.append(...all.filter(({ info, title }) => info.kind === kind && title.toLowerCase().includes(word)).map((conv) => this.#item(conv)));
			if (list.isEqualNode(shown)) continue;
			const focused = shown.contains(document.activeElement) && document.activeElement.hash;
			shown.replaceWith(list);
			if (focused) list.querySelector(`[href="${focused}"]`)?.focus();
		}
	}

	#item({ id, info, title, isUnread }) {
		const { unread, mentions, peer } = info;
		const most = this.store.limits.unread;
		return h('li', h(isUnread ? 'a.grow.unread' : 'a.grow', { href: `#${id}`, 'aria-current': id === this.conv?.id && 'page' },
			peer && dialogs.dot(this.store.online.has(peer.username)), h('bdi.grow', line(title)),
			isUnread && h(mentions || (peer && unread) ? 'span.badge.me' : 'span.badge',
				unread > most ? `${most}+` : unread || '•', h('span.sr', mentions ? ` unread, ${mentions} name you` : ' unread'))));
	}

	bar() {
		const { kind, until, text } = this.socket.state;
		const wait = Math.ceil((until - Date.now()) / 1000);
		$('bar').textContent = kind === 'waiting' ? `${text} Reconnecting${wait > 0 ? ` in ${wait} s` : ''}…` : text;
		$('bar').className = kind;
	}

	#second() {
		if (this.socket.state.kind === 'waiting') this.bar();
		const names = [...this.conv?.typing ?? []].filter(([name, until]) => until > Date.now() && name !== this.me.username)
			.map(([name]) => name);
		$('typing').textContent = names.length ? `${names.join(', ')} typing…` : '';
	}

	#awake() {
		if (document.hidden) return;
		this.socket.wake();
		this.read();
	}

	#key(event) {
		const { key, altKey, ctrlKey, metaKey } = event;
		if (document.querySelector('dialog')) return;
		const links = [...$('side').querySelectorAll('li a')];
		const at = links.findIndex((link) => link.ariaCurrent);
		if ((ctrlKey || metaKey) && key === 'k') $('find').focus();
		else if (altKey && key === 'ArrowDown') links[at + 1]?.click();
		else if (altKey && key === 'ArrowUp') links[at - 1]?.click();
		else if (altKey && key === 'a') $('side').querySelector('.unread:not([aria-current])')?.click();
		else return;
		event.preventDefault();
	}
}
