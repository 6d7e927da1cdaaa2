// The field one writes in.
import { $, attempt, h, toast } from './dom.js';
import { frames, uuid } from './frames.js';
import { line } from './text.js';

const TYPING_MS = 3000;
const input = $('input');
const list = $('complete');
const isFine = matchMedia('(pointer: fine)');

export class Composer {
	#typed = 0;
	#chosen;
	#word;

	constructor(app) {
		this.app = app;
		input.oninput = () => this.#changed();
		input.onkeydown = (event) => this.#key(event);
		input.onblur = () => this.#offer([]);
		list.onpointerdown = (event) => {
			event.preventDefault();
			this.#insert(event.target.closest('li'));
		};
		$('composer').onsubmit = (event) => this.#submit(event);
		$('cancel').onclick = () => this.turn();
	}

	show(conv) {
		$('composer').hidden = !conv;
		this.conv = conv;
		if (!conv) return;
		this.isEdit = true; // makes way for the draft
		this.turn();
	}

	#set(text) {
		input.value = text;
		input.style.height = 0;
		input.style.height = `${Math.min(input.scrollHeight + 2, innerHeight * 0.4)}px`;
	}

	// Answers or edits a message, or neither.
	turn(message, isEdit = false) {
		if (isEdit) this.#set(message.body);
		else if (this.isEdit) this.#set(this.app.outbox.draft(this.conv.id));
		Object.assign(this, { about: message, isEdit });
		$('context').hidden = !message;
		if (message) $('what').textContent = isEdit ? 'Editing' : `Reply to ${message.sender.username}: ${line(message.body)}`;
		if (message || isFine.matches) input.focus();
	}

	async #submit(event) {
		event.preventDefault();
		const { conv, app, about } = this;
		const body = input.value;
		const most = app.store.limits.body;
		if (!body.trim()) return;
		if (new Blob([body]).size > most) toast(`A message may have ${most} bytes.`);
		else if (this.isEdit) {
			const path = `/conversations/${conv.id}/messages/${about.seq}`;
			if (await attempt(() => app.api.call('PATCH', path, { id: uuid(), body })) && this.about === about) this.turn();
		} else {
			attempt(() => {
				app.outbox.add(conv.id, body, about?.seq);
				app.outbox.note(conv.id, '');
				this.#set('');
				this.turn();
				input.focus();
				this.#typed = 0;
				Object.assign(conv, { divider: null, isKept: false });
				app.timeline.latest();
			});
		}
	}

	#changed() {
		const { conv, app } = this;
		this.#set(input.value);
		if (!this.isEdit) app.outbox.note(conv.id, input.value);
		if (input.value && Date.now() - this.#typed > TYPING_MS) {
			this.#typed = Date.now();
			app.socket.send(frames.typing(conv.id));
		}
		this.#complete();
	}

	async #complete() {
		const { conv, app } = this;
		const word = this.#word = /(?:^|\s)@([a-z0-9._-]*)$/i.exec(input.value.slice(0, input.selectionStart))?.[1].toLowerCase();
		if (word === undefined) return this.#offer([]);
		conv.members ??= await app.api.call('GET', `/conversations/${conv.id}/members?limit=200`).then(({ members }) => members, () => null);
		const users = [...conv.members ?? [], { user: { username: 'here', display_name: 'whoever is online' } }].map(({ user }) => user);
		if (word !== this.#word) return undefined;
		return this.#offer(users.filter(({ username, display_name }) => ![word, app.me.username].includes(username)
			&& (username.startsWith(word) || display_name.toLowerCase().startsWith(word))));
	}

	#offer(users) {
		list.hidden = !users.length;
		list.replaceChildren(...users.slice(0, 6).map(({ username, display_name }) =>
			h('li', { role: 'option', id: `@${username}` }, `@${username} `, h('bdi', line(display_name)))));
		this.#choose(list.firstChild);
	}

	#choose(node) {
		this.#chosen?.removeAttribute('aria-selected');
		this.#chosen = node;
		node?.setAttribute('aria-selected', true);
		input.setAttribute('aria-activedescendant', node?.id ?? '');
	}

	#insert({ id }) {
		const at = input.selectionStart;
		input.setRangeText(`${id} `, at - this.#word.length - 1, at, 'end');
		this.#changed();
	}

	#key(event) {
		const { key, shiftKey, altKey, isComposing } = event;
		if (isComposing) return;
		const offers = !list.hidden;
		if (offers && key === 'ArrowDown') this.#choose(this.#chosen.nextSibling ?? list.firstChild);
		else if (offers && key === 'ArrowUp') this.#choose(this.#chosen.previousSibling ?? list.lastChild);
		else if (offers && (key === 'Enter' || key === 'Tab')) this.#insert(this.#chosen);
		else if (offers && key === 'Escape') this.#offer([]);
		else if (key === 'Enter' && !shiftKey && !altKey && isFine.matches) this.#submit(event);
		else if (key === 'Escape' && this.about) this.turn();
		else if (key === 'ArrowUp' && !input.value) {
			const mine = this.conv.shown().findLast(({ id, sender, deleted_at }) => id && sender.id === this.app.me.id && !deleted_at);
			if (!mine) return;
			this.turn(mine, true);
		} else return;
		event.preventDefault();
	}
}
