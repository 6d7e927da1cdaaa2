// The field one writes in: drafts, replies, edits, names completed while typing.
import { $, attempt, h } from './dom.js';
import { frames, uuid } from './frames.js';
import { line } from './text.js';

const TYPING_MS = 3000;

export class Composer {
	/** @param {import('./app.js').App} app */
	constructor(app) {
		this.app = app;
		this.input = $('input');
		this.list = $('complete');
		this.typed = 0;
		this.input.oninput = () => this.#changed();
		this.input.onkeydown = (event) => this.#key(event);
		this.input.onblur = () => this.#offer([]);
		$('composer').onsubmit = (event) => {
			event.preventDefault();
			this.submit();
		};
		$('context').querySelector('button').onclick = () => this.#cancel();
	}

	show(conv) {
		this.conv = conv;
		$('composer').hidden = !conv;
		this.context = null;
		this.#context();
		if (!conv) return;
		this.#set(this.app.outbox.draft(conv.id));
		if (matchMedia('(pointer: fine)').matches) this.input.focus();
	}

	#set(text) {
		this.input.value = text;
		this.#grow();
	}

	#grow() {
		this.input.style.height = 'auto';
		this.input.style.height = `${Math.min(this.input.scrollHeight + 2, innerHeight * 0.4)}px`;
	}

	reply(message) {
		this.#begin('reply', message);
	}

	edit(message) {
		this.#begin('edit', message);
		this.#set(message.body);
	}

	#begin(kind, message) {
		if (this.context?.kind === 'edit') this.#cancel();
		this.context = { kind, message };
		this.#context();
		this.input.focus();
	}

	#cancel() {
		if (this.context?.kind === 'edit') this.#set(this.app.outbox.draft(this.conv.id));
		this.context = null;
		this.#context();
		this.input.focus();
	}

	#context() {
		const { kind, message } = this.context ?? {};
		$('context').hidden = !kind;
		const what = kind === 'edit' ? 'Editing: ' : `Reply to ${message?.sender.username}: `;
		$('context').firstElementChild.textContent = kind ? what + line(message.body).slice(0, 100) : '';
	}

	async submit() {
		const { context, conv, app } = this;
		const body = this.input.value;
		if (!body.trim() || !conv) return;
		if (new TextEncoder().encode(body).length > app.store.limits.body) {
			attempt(() => { throw new Error(`A message may have ${app.store.limits.body} bytes.`); });
			return;
		}
		if (context?.kind === 'edit') {
			const path = `/conversations/${conv.id}/messages/${context.message.seq}`;
			if (!await attempt(() => app.api.call('PATCH', path, { id: uuid(), body }))) return;
			if (this.context === context) this.#cancel();
			return;
		}
		this.#set('');
		app.outbox.note(conv.id, '');
		this.context = null;
		this.#context();
		this.typed = 0;
		Object.assign(app.timeline, { stuck: true, divider: null });
		app.outbox.add(conv.id, body, context?.message.seq);
		if (!conv.isAtEnd) app.timeline.latest();
	}

	#changed() {
		const { conv, app, input } = this;
		this.#grow();
		if (this.context?.kind !== 'edit') app.outbox.note(conv.id, input.value);
		if (input.value && Date.now() - this.typed > TYPING_MS) {
			this.typed = Date.now();
			app.socket.send(frames.typing(conv.id));
		}
		this.#complete();
	}

	async #complete() {
		const { conv, input } = this;
		const found = /(?:^|\s)@([a-z0-9._-]*)$/i.exec(input.value.slice(0, input.selectionStart));
		if (!found) return this.#offer([]);
		conv.members ??= this.app.api.call('GET', `/conversations/${conv.id}/members?limit=200`)
			.catch(() => { conv.members = null; });
		const members = (await conv.members)?.members ?? [];
		const word = found[1].toLowerCase();
		const names = members.map(({ user }) => user).filter((user) => user.id !== this.app.me.id)
			.concat({ username: 'here', display_name: 'everybody who is online' })
			.filter(({ username, display_name }) => username.startsWith(word) || display_name.toLowerCase().startsWith(word));
		if (document.activeElement === input) this.#offer(names.slice(0, 6), word.length);
		return undefined;
	}

	#offer(users, typed) {
		this.typedLength = typed;
		this.list.hidden = !users.length;
		this.list.replaceChildren(...users.map(({ username, display_name }, index) => h('li', {
			role: 'option', id: `name${index}`, 'data-name': username,
			onpointerdown: (event) => { event.preventDefault(); this.#insert(username); },
		}, `@${username} `, h('bdi', {}, line(display_name)))));
		this.#choose(0);
	}

	#choose(index) {
		const options = [...this.list.children];
		this.chosen = options.length ? (index + options.length) % options.length : -1;
		options.forEach((option, at) => option.setAttribute('aria-selected', String(at === this.chosen)));
		if (options.length) this.input.setAttribute('aria-activedescendant', `name${this.chosen}`);
		else this.input.removeAttribute('aria-activedescendant');
	}

	#insert(name) {
		const at = this.input.selectionStart;
		this.input.setRangeText(`${name} `, at - this.typedLength, at, 'end');
		this.#offer([]);
		this.#changed();
	}

	#key(event) {
		const { key } = event;
		if (event.isComposing) return;
		if (!this.list.hidden) {
			const step = { ArrowDown: 1, ArrowUp: -1 }[key];
			if (step) this.#choose(this.chosen + step);
			else if (key === 'Enter' || key === 'Tab') this.#insert(this.list.children[this.chosen].dataset.name);
			else if (key === 'Escape') this.#offer([]);
			else return;
		} else if (key === 'Enter' && !event.shiftKey && !event.altKey && matchMedia('(pointer: fine)').matches) {
			this.submit();
		} else if (key === 'Escape' && this.context) this.#cancel();
		else if (key === 'ArrowUp' && !this.input.value) {
			const mine = [...this.conv.messages.values()].filter(({ sender, kind, deleted_at }) =>
				sender.id === this.app.me.id && kind === 'text' && !deleted_at).sort((a, b) => b.seq - a.seq)[0];
			if (!mine) return;
			this.edit(mine);
		} else return;
		event.preventDefault();
	}
}
