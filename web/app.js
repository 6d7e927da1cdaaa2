// Puts the parts together: the door, the list of conversations, the one that is open, the title.
import { Api } from './api.js';
import { Composer } from './composer.js';
import { about, account, browse, members, people } from './dialogs.js';
import { $, attempt, h, toast } from './dom.js';
import { frames } from './frames.js';
import { Outbox } from './outbox.js';
import { Socket } from './socket.js';
import { disturbs, Store } from './store.js';
import { Sync } from './sync.js';
import { line } from './text.js';
import { Timeline } from './timeline.js';

const READ_MS = 1000;

export class App {
	constructor() {
		this.api = new Api(() => this.#closed());
		this.timeline = new Timeline(this);
		this.composer = new Composer(this);
		$('login').onsubmit = (event) => this.#enter(event);
		$('mode').onclick = () => this.#mode(!this.registers);
		$('account').onclick = () => account(this);
		$('browse').onclick = () => browse(this);
		$('people').onclick = () => people(this);
		$('members').onclick = () => members(this, this.conv);
		$('settings').onclick = () => about(this, this.conv);
		$('back').onclick = () => this.open(null);
		$('find').oninput = () => this.#list();
		$('find').onkeydown = ({ key }) => {
			if (key === 'Enter') $('side').querySelector('li a')?.click();
			if (key === 'Escape' || key === 'Enter') { $('find').value = ''; this.#list(); }
		};
		addEventListener('hashchange', () => this.#show());
		addEventListener('focus', () => this.#awake());
		addEventListener('online', () => this.#awake());
		document.addEventListener('visibilitychange', () => this.#awake());
		document.addEventListener('keydown', (event) => this.#key(event));
		addEventListener('storage', ({ key }) => {
			if (!this.store && this.api.mayHaveSession) this.#resume();
			else if (key?.startsWith('chat.outbox.')) this.changed(null);
		});
		setInterval(() => this.#second(), 1000);
	}

	get me() {
		return this.store.me;
	}

	async start() {
		if (this.api.mayHaveSession) await this.#resume();
		else this.#door();
	}

	async #resume() {
		try {
			await this.api.refresh();
			this.#begin();
		} catch (error) {
			this.#door(error.status === 401 ? '' : error.message);
			if (error.status !== 401) setTimeout(() => !this.store && this.#resume(), 3000);
		}
	}

	#door(text = '') {
		$('app').hidden = true;
		$('door').hidden = false;
		document.title = 'chat';
		$('login').querySelector('.error').textContent = text;
	}

	#mode(registers) {
		this.registers = registers;
		$('login').querySelector('.primary').textContent = registers ? 'Make an account' : 'Log in';
		$('mode').textContent = registers ? 'Log in instead' : 'Make an account instead';
		$('login').password.autocomplete = registers ? 'new-password' : 'current-password';
	}

	async #enter(event) {
		event.preventDefault();
		const form = $('login');
		const error = form.querySelector('.error');
		error.textContent = '';
		const values = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
		try {
			await this.api.enter(this.registers ? '/auth/register' : '/auth/login', values);
			form.reset();
			this.#begin();
		} catch (problem) {
			error.textContent = problem.message;
			for (const [name, word] of [['setup_code', /setup code/], ['invite', /invite/]]) {
				if (problem.status === 403 && word.test(problem.message)) form[name].parentNode.hidden = false;
			}
		}
	}

	#begin() {
		$('door').hidden = true;
		$('app').hidden = false;
		this.store = new Store();
		this.store.me = this.api.user;
		this.socket = new Socket(this.api, { frame: (frame) => this.#frame(frame), state: () => this.#bar() });
		this.outbox = new Outbox(this.me.id, () => this.socket, () => this.changed(null));
		this.sync = new Sync(this.api, this.store, {
			changed: (id) => this.changed(id),
			message: (conv, message, isNew) => this.#message(conv, message, isNew),
			gone: (conv) => this.outbox.fail(conv.id, 'You are no longer in this conversation.'),
			again: () => this.socket.again(),
		});
		this.socket.start();
	}

	/** The session is over, here or elsewhere. */
	#closed() {
		if (!this.store) return;
		this.socket.stop();
		this.store = this.conv = null;
		this.timeline.show(null);
		this.composer.show(null);
		document.querySelectorAll('dialog').forEach((node) => node.close());
		this.#door(this.leaves ? '' : 'Your session ended. Log in again.');
		this.leaves = false;
	}

	async logout() {
		this.leaves = true;
		const { outbox } = this;
		await this.api.logout();
		outbox.clear();
	}

	#frame(frame) {
		if (frame.type === 'ready') this.outbox.land();
		if (frame.type === 'ack') this.outbox.done(frame.id, frame.conversation_id);
		if (frame.type === 'error' && !this.outbox.refused(frame)) toast(frame.detail);
		this.sync.take(frame);
		if (frame.type !== 'ready') return;
		if (!location.hash && matchMedia('(min-width: 700px)').matches) {
			const [first] = this.store.conversations.keys();
			if (first) history.replaceState(null, '', `#${first}`);
		}
		this.#show();
		this.outbox.flush();
	}

	#message(conv, message, isNew) {
		this.outbox.done(message.id, conv.id);
		if (message.event) conv.members = null;
		const reads = conv === this.conv && this.#looks;
		if (reads || !isNew || !disturbs(conv.info, message, this.me.username)) return;
		if (conv === this.conv) this.timeline.divider ??= conv.info.read_seq;
		if (window.Notification?.permission !== 'granted') return;
		try {
			const note = new Notification(`${line(message.sender.display_name)}, ${line(conv.title)}`,
				{ body: line(message.body).slice(0, 200), tag: `chat.${conv.id}`, icon: '/page/icon.svg' });
			note.onclick = () => { focus(); this.open(conv.id); note.close(); };
		} catch { /* some phones allow it to service workers only */ }
	}

	/** A conversation that an answer told of. */
	describe(info) {
		this.store.describe(info);
		this.changed(info.id);
	}

	enter(info) {
		this.describe(info);
		this.open(info.id);
	}

	open(id) {
		location.hash = id ?? '';
		if (!id) this.#show();
	}

	#show() {
		if (!this.store) return;
		const conv = this.store.conversations.get(Number(location.hash.slice(1))) ?? null;
		$('app').classList.toggle('open', Boolean(conv));
		if (conv !== this.conv) {
			this.conv = conv;
			this.timeline.show(conv);
			this.composer.show(conv);
		}
		this.changed(null);
	}

	/** Something is different; drawn once for all that comes together. */
	changed(id) {
		if (id === null || id === this.conv?.id) this.stale = true;
		this.drawing ??= setTimeout(() => {
			this.drawing = null;
			if (!this.store) return;
			if (this.conv && this.store.conversations.get(this.conv.id) !== this.conv) this.#show();
			if (this.stale) this.timeline.draw();
			this.stale = false;
			this.read();
			this.#head();
			this.#list();
		});
	}

	get #looks() {
		return document.hasFocus() && this.timeline.stuck && this.conv?.isAtEnd;
	}

	/** What is in sight of somebody who looks is read. */
	read() {
		const { conv } = this;
		if (!this.#looks || conv.held || !(conv.info.unread || conv.info.marked_unread)) return;
		const wait = (conv.toldAt ?? 0) + READ_MS - Date.now();
		if (wait > 0) {
			conv.timer ??= setTimeout(() => { conv.timer = null; this.read(); }, wait);
		} else if (this.socket.send(frames.read(conv.id, conv.info.last_seq))) {
			conv.toldAt = Date.now();
			Object.assign(conv.info, { read_seq: conv.info.last_seq, unread: 0, mentions: 0, marked_unread: false });
			this.changed(null);
		}
	}

	#head() {
		const { conv } = this;
		for (const id of ['members', 'settings']) $(id).hidden = !conv;
		$('name').textContent = conv ? line(conv.title) : 'chat';
		const peer = conv?.info.peer;
		$('topic').textContent = conv ? line(peer ? `@${peer.username} ${peer.status_text}` : conv.info.topic) : 'Choose a conversation.';
		const { mentions, unread } = this.store.unread();
		document.title = `${mentions ? `(${mentions}) ` : unread ? '• ' : ''}${conv ? `${line(conv.title)} · ` : ''}${this.store.name ?? 'chat'}`;
	}

	#list() {
		const word = $('find').value.trim().toLowerCase();
		$('account').textContent = this.me.username;
		const all = [...this.store.conversations.values()].sort((a, b) => a.title.localeCompare(b.title));
		for (const kind of ['group', 'direct']) {
			const list = $(`${kind}s`);
			const old = new Map([...list.children].map((node) => [node.id, node]));
			const nodes = all.filter((conv) => conv.info.kind === kind && conv.title.toLowerCase().includes(word)).map((conv) => {
				const node = this.#item(conv);
				const same = old.get(node.id);
				return same?.isEqualNode(node) ? same : node;
			});
			const focused = list.contains(document.activeElement) && document.activeElement.parentNode.id;
			if (nodes.length !== old.size || nodes.some((node, at) => node !== list.children[at])) list.replaceChildren(...nodes);
			if (focused) document.getElementById(focused)?.firstChild.focus();
		}
	}

	#item({ id, info, title }) {
		const { unread, mentions, marked_unread, kind, peer } = info;
		const count = unread > this.store.limits.unread ? `${this.store.limits.unread}+` : unread;
		const named = mentions || (kind === 'direct' && unread);
		return h('li', { id: `c${id}` }, h('a', {
			href: `#${id}`, 'aria-current': id === this.conv?.id && 'page', class: unread || marked_unread ? 'unread' : '',
		}, kind === 'direct' && (this.store.online.has(peer?.username)
			? h('span', { class: 'dot on', role: 'img', 'aria-label': 'online' }) : h('span', { class: 'dot' })),
		h('bdi', {}, line(title)),
		(unread > 0 || marked_unread) && h('span', { class: named ? 'badge me' : 'badge' }, count || '•',
			h('span', { class: 'sr' }, mentions ? ` unread, ${mentions} of them name you` : ' unread'))));
	}

	#bar() {
		const { kind, until, text } = this.socket.state;
		const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
		const words = { open: '', connecting: 'Connecting…', stopped: text, waiting: `${text} Reconnecting in ${seconds} s` }[kind];
		if ($('bar').textContent !== words) $('bar').textContent = words;
		$('bar').className = kind;
		$('bar').onclick = () => (kind === 'stopped' ? this.socket.start() : this.socket.wake());
	}

	#second() {
		if (!this.store) return;
		if (this.socket.state.kind === 'waiting') this.#bar();
		const typing = this.conv ? [...this.conv.typing].filter(([name, until]) => until > Date.now() && name !== this.me.username) : [];
		const names = typing.map(([name]) => name);
		$('typing').textContent = !names.length ? '' : names.length > 3 ? 'Several people are typing…'
			: `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} typing…`;
	}

	#awake() {
		if (!this.store || document.hidden) return;
		this.socket.wake();
		this.read();
	}

	#key(event) {
		const { key, altKey, ctrlKey, metaKey } = event;
		if (!this.store || document.querySelector('dialog')) return;
		const links = [...$('side').querySelectorAll('li a')];
		const at = links.findIndex((link) => link.hasAttribute('aria-current'));
		if ((ctrlKey || metaKey) && key === 'k') $('find').focus();
		else if (altKey && key === 'ArrowDown') links[at + 1]?.click();
		else if (altKey && key === 'ArrowUp') links[at - 1]?.click();
		else if (altKey && key === 'a') links.find((link) => link.className && link !== links[at])?.click();
		else return;
		event.preventDefault();
	}
}

new App().start();
