// Making elements. Text becomes text nodes: nothing in the page parses HTML.

export const $ = (id) => document.getElementById(id);

// Makes an element: `h('p.notice', { title }, …)`; properties may be missing, null and false are left out.
export function h(name, ...content) {
	const [tag, ...classes] = name.split('.');
	const node = document.createElement(tag);
	node.classList.add(...classes);
	const props = content[0]?.constructor === Object ? content.shift() : {};
	for (const [key, value] of Object.entries(props)) {
		if (key.startsWith('on')) node[key] = value;
		else if ((value ?? false) !== false) node.setAttribute(key, value === true ? '' : value);
	}
	node.append(...content.flat(Infinity).filter((child) => (child ?? false) !== false));
	return node;
}

export const button = (text, onclick, label, props) =>
	h('button', { type: 'button', onclick, title: label, 'aria-label': label, ...props }, text);

let timer;

export function toast(text) {
	clearTimeout(timer);
	$('toast').textContent = text;
	$('toast').hidePopover();
	if (!text) return;
	$('toast').showPopover();
	timer = setTimeout(toast, 6000, '');
}

// Does what may fail, and says so.
export const attempt = async (work) => {
	try {
		return await work();
	} catch ({ message }) {
		toast(message);
	}
};

export function dialog(title, ...content) {
	const node = h('dialog', { 'aria-label': title, closedby: 'any', onclose: () => node.remove() },
		h('header', h('h1', { tabindex: -1 }, title), button('×', () => node.close(), 'Close')), h('div.content', content));
	document.body.append(node);
	node.showModal();
}

export const closeDialogs = () => document.querySelectorAll('dialog').forEach((node) => node.close());

export const select = (options, value, props) => h('select', props, Object.entries(options).map(([word, text]) =>
	h('option', { value: word, selected: word === value }, text)));

// A form of `[name, label, attributes]`. Its dialog closes when `work` is done.
export function form(fields, submit, work) {
	const error = h('p.error', { role: 'alert' });
	const node = h('form', {
		onsubmit: async (event) => {
			event.preventDefault();
			error.textContent = '';
			try {
				await work(Object.fromEntries(new FormData(node)));
				node.closest('dialog').close();
			} catch ({ message }) {
				error.textContent = message;
			}
		},
	}, fields.map(([name, label, { options, value, ...props }]) => h('label', label,
		options ? select(options, value, { name }) : h('input', { name, value, autocomplete: 'off', ...props }))),
	error, h('button.primary', submit));
	return node;
}
