// Making elements. Text becomes text nodes: nothing in the page parses HTML.

export const $ = (id) => document.getElementById(id);

/** Makes an element: functions are listeners, `true` is a bare attribute, null and false are none. */
export function h(tag, props, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(props ?? {})) {
		if (name.startsWith('on')) node[name] = value;
		else if (value != null && value !== false) node.setAttribute(name, value === true ? '' : value);
	}
	node.append(...children.flat().filter((child) => child != null && child !== false));
	return node;
}

export const button = (text, onclick, label, props) =>
	h('button', { type: 'button', onclick, 'aria-label': label, ...props }, text);

let timer;

/** Says something in passing. */
export function toast(text) {
	clearTimeout(timer);
	$('toast').textContent = text;
	timer = setTimeout(toast, 6000, '');
}

/** Does what may fail, and says so. */
export const attempt = async (work) => {
	try {
		return await work();
	} catch (error) {
		toast(error.message);
	}
};

/** Opens a dialog; once closed it is gone, and the focus goes back. */
export function dialog(title, ...content) {
	const from = document.activeElement;
	const node = h('dialog', {
		'aria-labelledby': 'title',
		onclose: () => { node.remove(); from?.focus(); },
		// A handler that returns false would cancel the click of every button inside.
		onclick: ({ target }) => { if (target === node) node.close(); },
	}, h('header', 0, h('h2', { id: 'title', tabindex: -1 }, title), button('×', () => node.close(), 'Close')),
	h('div', { class: 'content' }, ...content));
	document.body.append(node);
	node.showModal();
	return node;
}

export const select = (options, value, props) => h('select', props, options.map(([word, text]) =>
	h('option', { value: word, selected: word === value }, text)));

/**
 * A form: labelled fields (`[name, label, attributes]`, or nodes), one error line, one button.
 * @param {(values: Object<string, string>) => Promise<void>} work
 */
export function form(fields, submit, work) {
	const error = h('p', { class: 'error', role: 'alert' });
	const node = h('form', {
		onsubmit: async (event) => {
			event.preventDefault();
			error.textContent = '';
			try {
				await work(Object.fromEntries(new FormData(node)));
			} catch (problem) {
				error.textContent = problem.message;
			}
		},
	}, fields.map((field) => {
		if (field instanceof Node) return field;
		const [name, label, { options, value, ...props } = {}] = field;
		return h('label', 0, label, options ? select(options, value, { name }) : h('input', { name, value, autocomplete: 'off', ...props }));
	}), error, h('button', { class: 'primary' }, submit));
	return node;
}
