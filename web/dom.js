// Making elements. Text becomes text nodes, never markup: nothing in the page parses HTML.

/** Finds an element by its id. */
export const $ = (id) => document.getElementById(id);

/**
 * Makes an element: functions are listeners, `true` is a bare attribute, null and false are none.
 * @param {string} tag
 * @param {Object<string, any>} props
 */
export function h(tag, props = {}, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(props)) {
		if (typeof value === 'function') node.addEventListener(name.slice(2), value);
		else if (name.startsWith('on')) throw new Error(`${name} is no function`);
		else if (value != null && value !== false) node.setAttribute(name, value === true ? '' : value);
	}
	node.append(...children.flat().filter((child) => child != null && child !== false));
	return node;
}

export const button = (text, onclick, props = {}) => h('button', { type: 'button', onclick, ...props }, text);

let toastTimer;

/** Says something in passing, to eyes and screen readers. */
export function toast(text) {
	clearTimeout(toastTimer);
	$('toast').textContent = text;
	toastTimer = setTimeout(() => { $('toast').textContent = ''; }, 6000);
}

/** Does what may fail, and says so. */
export async function attempt(work) {
	try {
		return await work();
	} catch (error) {
		toast(error.message);
		return undefined;
	}
}

/** Opens a dialog; it is gone once closed, and the focus goes back to where it was. */
export function dialog(title, ...content) {
	const from = document.activeElement;
	const node = h('dialog', { 'aria-labelledby': 'dialog-title' },
		h('header', {}, h('h2', { id: 'dialog-title', tabindex: -1 }, title),
			button('×', () => node.close(), { 'aria-label': 'Close', class: 'close' })),
		h('div', { class: 'content' }, ...content));
	node.addEventListener('close', () => {
		node.remove();
		if (from?.isConnected) from.focus();
	});
	node.addEventListener('click', (event) => {
		if (event.target === node) node.close();
	});
	document.body.append(node);
	node.showModal();
	return node;
}

/**
 * A form with labels, one error line and one button.
 * @param {Array<Object|Node>} fields `{name, label, options?}` and attributes of the input
 * @param {(values: Object<string, string>) => Promise<void>} onsubmit
 */
export function form(fields, submit, onsubmit) {
	const error = h('p', { class: 'error', role: 'alert' });
	const send = h('button', { class: 'primary' }, submit);
	const rows = fields.map((field) => {
		if (field instanceof Node) return field;
		const { label, options, value = '', ...props } = field;
		const input = options
			? h('select', props, options.map(([word, text]) => h('option', { value: word, selected: word === value }, text)))
			: h('input', { autocomplete: 'off', ...props });
		if (!options) input.value = value;
		return h('label', {}, label, ' ', input);
	});
	const node = h('form', {
		onsubmit: async (event) => {
			event.preventDefault();
			error.textContent = '';
			send.disabled = true;
			try {
				await onsubmit(Object.fromEntries(new FormData(node)));
			} catch (problem) {
				error.textContent = problem.message;
			}
			send.disabled = false;
		},
	}, rows, error, send);
	return node;
}
