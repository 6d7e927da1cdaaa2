// The field one writes in: drafts, replies, edits, names completed while typing.
import { $, attempt, h, toast } from './dom.js';
import { frames, uuid } from './frames.js';
import { line } from './text.js';

const TYPING_MS = 3000;
const input = $('input');
const list = $('complete');
const isFine = matchMedia('(pointer: fine)');

export class Composer {
	/** The message that is answered or edited. */
	#about = null;
	#isEdit = false;
	#typed = 0;

	/** @param {import('./app.js').App} app */
	constructor(app) {
		this.app = app;
		input.oninput = () => this.#changed();
		input.onkeydown = (event) => this.#key(event);
		input.onblur = () => this.#offer([]);
		$('composer').onsubmit = (event) => {
			event.preventDefault();
			this.#submit();
		};
		$('cancel').onclick = () => this.#turn(null);
	}

	show(conv) {
		$('composer').hidden = !conv;
		this.conv = conv;
		if (!conv) return;
		this.#turn(null, true);
		this.#set(this.app.outbox.draft(conv.id));
	}

	#set(text) {
		input.value = text;
		input.style.height = 0;
		input.style.height = `${Math.min(input.scrollHeight + 2, innerHeight * 0.4)}px`;
	}

	reply(message) {
		this.#turn(message);
	}

	edit(message) {
		this.#turn(message);
		this.#isEdit = true;
		$('what').textContent = 'Editing';
		this.#set(message.body);
	}

	#turn(message, isQuiet) {
		if (this.#isEdit) this.#set(this.app.outbox.draft(this.conv.id));
		this.#isEdit = false;
		this.#about = message;
		$('context').hidden = !message;
		if (message) $('what').textContent = `Reply to ${message.sender.username}: ${line(message.body).slice(0, 99)}`;
		if (!isQuiet || isFine.matches) input.focus();
	}

	async #submit() {
		const { conv, app } = this;
		const body = input.value;
		const about = this.#about;
		const most = app.store.limits.body;
		if (!body.trim()) return;
		if (new Blob([body]).size > most) toast(`A message may have ${most} bytes.`);
		else if (this.#isEdit) {
			const path = `/conversations/${conv.id}/messages/${about.seq}`;
			if (await attempt(() => app.api.call('PATCH', path, { id: uuid(), body })) && this.#about === about) this.#turn(null);
		} else {
			this.#turn(null);
			this.#set('');
			app.outbox.note(conv.id, '');
			this.#typed = 0;
			app.outbox.add(conv.id, body, about?.seq);
			app.timeline.divider = null;
			app.timeline.latest();
		}
	}

	#changed() {
		const { conv, app } = this;
		this.#set(input.value);
		if (!this.#isEdit) app.outbox.note(conv.id, input.value);
		if (input.value && Date.now() - this.#typed > TYPING_MS) {
			this.#typed = Date.now();
			app.socket.send(frames.typing(conv.id));
		}
		this.#complete();
	}

	async #complete() {
		const { conv, app } = this;
		const word = /(?:^|\s)@([a-z0-9._-]*)$/i.exec(input.value.slice(0, input.selectionStart))?.[1].toLowerCase();
		if (word === undefined) return this.#offer([]);
		conv.members ??= app.api.call('GET', `/conversations/${conv.id}/members?limit=200`).catch(() => ({ members: [] }));
		const users = (await conv.members).members.map(({ user }) => user).filter(({ id }) => id !== app.me.id);
		return this.#offer([...users, { username: 'here', display_name: 'whoever is online' }].filter(
			({ username, display_name }) => username !== word && (username.startsWith(word) || display_name.toLowerCase().startsWith(word))), word);
	}

	#offer(users, word) {
		list.hidden = !users.length;
		list.replaceChildren(...users.slice(0, 6).map(({ username, display_name }, at) => h('li', {
			role: 'option', id: `name${at}`, onpointerdown: (event) => { event.preventDefault(); this.#insert(username, word); },
		}, `@${username} `, h('bdi', 0, line(display_name)))));
		this.#pick = () => this.#insert(users[this.chosen].username, word);
		this.#choose(0);
	}

	#pick;

	#choose(step) {
		const count = list.children.length;
		this.chosen = step && (this.chosen + step + count) % count;
		[...list.children].forEach((node, at) => node.setAttribute('aria-selected', at === this.chosen));
		input.setAttribute('aria-activedescendant', count ? `name${this.chosen}` : '');
	}

	#insert(name, { length }) {
		const at = input.selectionStart;
		input.setRangeText(`${name} `, at - length, at, 'end');
		this.#changed();
	}

	#key(event) {
		const { key, shiftKey, altKey, isComposing } = event;
		const step = { ArrowDown: 1, ArrowUp: -1 }[key];
		if (isComposing) return;
		if (!list.hidden && step) this.#choose(step);
		else if (!list.hidden && (key === 'Enter' || key === 'Tab')) this.#pick();
		else if (!list.hidden && key === 'Escape') this.#offer([]);
		else if (key === 'Enter' && !shiftKey && !altKey && isFine.matches) this.#submit();
		else if (key === 'Escape' && this.#about) this.#turn(null);
		else if (key === 'ArrowUp' && !input.value) {
			const mine = this.conv.rows().findLast(({ id, sender, deleted_at }) => id && sender.id === this.app.me.id && !deleted_at);
			if (!mine) return;
			this.edit(mine);
		} else return;
		event.preventDefault();
	}
}
