// Remote text made safe to show: what cannot be seen is written out, a small part of Markdown becomes
// nodes, and only http(s) addresses become links. Parsing is pure; `draw` is all that knows the DOM.

const EMOJI = '[\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\p{Regional_Indicator}]';
// A joiner stays between emoji, an emoji style after one (or in a keycap).
const HIDDEN = new RegExp(
	`(?<=${EMOJI}\\uFE0F?)\\u200D(?=\\p{Extended_Pictographic})|(?<=[\\p{S}\\p{Emoji}])\\uFE0F`
	+ '|[\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}\\p{Zl}\\p{Zp}\\u115F\\u1160\\u17B4\\u17B5\\u2800\\u3164\\uFFA0'
	+ '\\uFE00-\\uFE0F\\u180B-\\u180F\\u{E0000}-\\u{E0FFF}]', 'gu');
const MARKS = /([\p{Mn}\p{Me}]{8})[\p{Mn}\p{Me}]+/gu;

/** What cannot be seen as `⟨U+202E⟩`; line ends and tabs stay. */
export function visible(text) {
	return String(text ?? '').replace(MARKS, '$1').replace(HIDDEN, (c, at, all) => {
		if (c === '\n' || c === '\t') return c;
		if (c === '\u200D' && /\p{Extended_Pictographic}|\p{Emoji_Modifier}/u.test(all.slice(Math.max(0, at - 3), at))
			&& /^\p{Extended_Pictographic}/u.test(all.slice(at + 1, at + 3))) return c;
		if (c === '\uFE0F' && /[\p{S}\d#*‼⁉]$/u.test(all.slice(Math.max(0, at - 2), at))) return c;
		return `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`;
	});
}

/** As one line. */
export const line = (text) => visible(text).replace(/\s+/g, ' ').trim();

// Every run is bounded, so that no text takes long.
const INLINE = new RegExp([
	/(?<ticks>`{1,2})(?<code>[^`\n]{1,500})\k<ticks>(?!`)/,
	/(?<link>\bhttps?:\/\/[^\s<>"'`⟨⟩]{1,2000})/,
	/(?<![\w*])\*\*(?=\S)(?<bold>[^\n]{1,400}?)(?<=\S)\*\*(?![\w*])/,
	/(?<![\w*])\*(?=[^\s*])(?<star>[^\n*]{1,400}?)(?<=\S)\*(?![\w*])/,
	/(?<![\w_])_(?=[^\s_])(?<low>[^\n]{1,400}?)(?<=\S)_(?!\w)/,
	/(?<![\w.@-])@(?<name>[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?)/,
].map((part) => part.source).join('|'), 'giu');

/** The address of a link, or null where it must not be one. */
export function address(text) {
	try {
		const url = new URL(text);
		return ['http:', 'https:'].includes(url.protocol) && url.hostname ? url.href : null;
	} catch {
		return null;
	}
}

function inline(text, names, depth = 0) {
	const nodes = [];
	let at = 0;
	for (const match of text.matchAll(INLINE)) {
		let { code, link, bold, star, low, name } = match.groups;
		let whole = match[0];
		let node;
		if (code) node = { kind: 'code', text: code };
		else if (link) {
			whole = link.replace(link.includes('(') ? /[.,;:!?*_\]}]+$/ : /[.,;:!?*_)\]}]+$/, '');
			const href = address(whole);
			node = href && { kind: 'link', text: whole, href };
		} else if (name) {
			name = name.toLowerCase();
			node = (name === 'here' || names.includes(name)) && { kind: 'mention', text: whole, name };
		} else if (depth < 3) {
			node = { kind: bold ? 'strong' : 'em', nodes: inline(bold ?? star ?? low, names, depth + 1) };
		}
		if (!node) continue;
		if (match.index > at) nodes.push({ kind: 'text', text: text.slice(at, match.index) });
		nodes.push(node);
		at = match.index + whole.length;
	}
	if (at < text.length) nodes.push({ kind: 'text', text: text.slice(at) });
	return nodes;
}

/**
 * A message's text as a tree of `{kind, text?, href?, name?, nodes?}`.
 * @param {string} body
 * @param {string[]} names the members it mentions
 */
export function parse(body, names = []) {
	const text = visible(body);
	const nodes = [];
	const lines = (part) => {
		for (const block of part.match(/(?:^>.*(?:\n|$))+|(?:^(?!>).*(?:\n|$))+/gm) ?? []) {
			if (!block) continue;
			if (block.startsWith('>')) {
				const inner = block.replace(/^> ?/gm, '').replace(/\n$/, '');
				nodes.push({ kind: 'quote', nodes: inline(inner, names) });
			} else nodes.push(...inline(block, names));
		}
	};
	let at = 0;
	for (const match of text.matchAll(/^```[^\n`]*\n([^]*?)\n?^```[ \t]*(?:\n|$)/gm)) {
		lines(text.slice(at, match.index));
		nodes.push({ kind: 'pre', text: match[1] });
		at = match.index + match[0].length;
	}
	lines(text.slice(at));
	const last = nodes.at(-1);
	if (last?.kind === 'text') last.text = last.text.replace(/\n+$/, '');
	return nodes;
}

const TAGS = { strong: 'strong', em: 'em', code: 'code', pre: 'pre', quote: 'blockquote', link: 'a', mention: 'span' };

/** The tree as DOM nodes. @param {string} me marks what names me */
export function draw(nodes, me) {
	return nodes.map((node) => {
		if (node.kind === 'text') return document.createTextNode(node.text);
		const element = document.createElement(TAGS[node.kind]);
		if (node.nodes) element.append(...draw(node.nodes, me));
		else element.textContent = node.text;
		if (node.kind === 'link') {
			element.href = node.href;
			element.rel = 'noopener noreferrer';
			element.target = '_blank';
		}
		if (node.kind === 'mention') element.className = node.name === me || node.name === 'here' ? 'mention me' : 'mention';
		return element;
	});
}
