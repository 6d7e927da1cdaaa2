// Remote text made safe to show; a little Markdown becomes nodes.
import { h } from './dom.js';

const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u115F\u1160\u17B4\u17B5\u2800\u3164\uFFA0\uFE00-\uFE0F\u180B-\u180F\u{E0000}-\u{E0FFF}]/gu;
// A joiner belongs between emoji, a style after one.
const BELONGS = /(?<=\p{S}\uFE0F?)\u200D(?=\p{S})|(?<=[\p{S}\d#*‼⁉])\uFE0F|[\n\t]/uy;

// What cannot be seen as `⟨U+202E⟩`; of the marks on a letter eight are shown.
export const visible = (text) => (text ?? '').replace(/([\p{Mn}\p{Me}]{8})[\p{Mn}\p{Me}]+/gu, '$1').replace(HIDDEN, (c, at, all) => {
	BELONGS.lastIndex = at;
	return BELONGS.test(all) ? c : `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, 0)}⟩`;
});

export const line = (text) => visible(text).replace(/\s+/g, ' ').trim();

// All bounded, so that no text takes long.
const INLINE = new RegExp([
	/^```[^\n`]*\n(?<pre>[^]*?)\n?^```[ \t]*$\n?/,
	/^> ?(?<quote>.*)$\n?/,
	/(?<ticks>`{1,2})(?<code>[^`\n]{1,500})\k<ticks>(?!`)/,
	/(?<link>\bhttps?:\/\/[^\s<>"'`⟨⟩]{1,2000})/,
	/(?<![\w*])\*\*(?=\S)(?<bold>[^\n]{1,400}?)(?<=\S)\*\*(?![\w*])/,
	/(?<![\w*_])(?<mark>[*_])(?=[^\s*_])(?<em>[^\n*_]{1,400})(?<=\S)\k<mark>(?![\w*_])/,
	/(?<![\w.@-])@(?<name>[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?)/,
].map((part) => part.source).join('|'), 'gimu');

export function address(text) {
	const url = URL.canParse(text) && new URL(text);
	return url && /^https?:$/.test(url.protocol) && url.hostname ? url.href : null;
}

// A text as a tree of texts and `{tag, nodes, href?, name?}`; `names` are mentioned.
export function parse(body, names = []) {
	const inline = (text, depth) => {
		const nodes = [];
		let at = 0;
		for (const match of text.matchAll(INLINE)) {
			const { pre, quote, code, link, bold, em, name } = match.groups;
			let [whole] = match;
			let node;
			if (pre !== undefined) node = { tag: 'pre', nodes: [pre] };
			else if (code) node = { tag: 'code', nodes: [code] };
			else if (link) {
				whole = link.replace(link.includes('(') ? /[.,;:!?*_\]}]+$/ : /[.,;:!?*_)\]}]+$/, '');
				node = address(whole) && { tag: 'a', nodes: [whole], href: address(whole) };
			} else if (name) {
				const lower = name.toLowerCase();
				node = (lower === 'here' || names.includes(lower)) && { tag: 'span', nodes: [whole], name: lower };
			} else if (depth < 3) {
				const tag = bold ? 'strong' : em ? 'em' : 'blockquote';
				node = { tag, nodes: inline(bold ?? em ?? quote, depth + 1) };
			}
			if (!node) continue;
			nodes.push(text.slice(at, match.index), node);
			at = match.index + whole.length;
		}
		return [...nodes, text.slice(at)].filter((node) => node);
	};
	return inline(visible(body), 0);
}

export const draw = (tree, me) => tree.map((node) => {
	const { tag, nodes, href, name } = node;
	if (!tag) return node;
	const link = href && { href, rel: 'noopener noreferrer', target: '_blank' };
	return h(tag, { ...link, class: name && (name === me || name === 'here' ? 'mention me' : 'mention') }, draw(nodes, me));
});
