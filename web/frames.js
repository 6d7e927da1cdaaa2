// What the page says over the WebSocket, and what a close code means. Pure.

/** The frames that clients send; the golden files have them to the letter. */
export const frames = {
	send: (id, conversation_id, body, reply_to) =>
		({ type: 'send', id, conversation_id, body, ...(reply_to && { reply_to }) }),
	edit: (id, conversation_id, seq, body) => ({ type: 'edit', id, conversation_id, seq, body }),
	delete: (id, conversation_id, seq) => ({ type: 'delete', id, conversation_id, seq }),
	react: (id, conversation_id, seq, emoji, on) => ({ type: 'react', id, conversation_id, seq, emoji, on }),
	read: (conversation_id, seq) => ({ type: 'read', conversation_id, seq }),
	typing: (conversation_id) => ({ type: 'typing', conversation_id }),
	auth: (id, access_token) => ({ type: 'auth', id, access_token }),
	ping: (id) => ({ type: 'ping', ...(id && { id }) }),
};

let lastTime = 0;
let counter = 0;

/** A UUID of version 7: ids made later sort later. */
export function uuid() {
	const now = Date.now();
	counter = now <= lastTime ? counter + 1 : 0;
	lastTime = Math.max(now, lastTime);
	if (counter > 0xfff) [counter, lastTime] = [0, lastTime + 1];
	const random = crypto.getRandomValues(new Uint8Array(8));
	random[0] = (random[0] & 0x3f) | 0x80;
	const hex = (number, digits) => number.toString(16).padStart(digits, '0');
	const tail = Array.from(random, (byte) => hex(byte, 2)).join('');
	const time = hex(lastTime, 12);
	return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(counter, 3)}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}

const STOPS = {
	4500: 'Your session ended. Log in again.',
	4501: 'The server did not understand this page. Load it anew.',
	4503: 'This account is disabled. Ask whoever runs the server.',
	4504: 'You have too many connections. Close other tabs or devices, then try again.',
};

/**
 * What to do after a close.
 * @returns {{go: boolean, wait?: number, renew?: boolean, ended?: boolean, text: string}} `wait` in ms,
 *   `renew`: with a new access token, `ended`: to the login
 */
export function afterClose(code, reason = '') {
	if (code === 1012) {
		const wait = Number(/retry_after_ms=(\d+)/.exec(reason)?.[1] ?? 1000);
		return { go: true, wait: Math.min(wait, 60_000), text: 'The server restarts.' };
	}
	if (code >= 4500 && code < 4600) {
		return { go: false, ended: code === 4500, text: STOPS[code] ?? 'The server ended the connection.' };
	}
	if ([1002, 1003, 1007, 1009].includes(code)) {
		return { go: false, text: 'The server did not understand this page. Load it anew.' };
	}
	return { go: true, renew: code === 4001, text: 'No connection.' };
}

/** Milliseconds until the next attempt: doubling up to half a minute, the upper half of it by chance. */
export function backoff(attempt, random = Math.random()) {
	const most = Math.min(30_000, 500 * 2 ** Math.min(attempt, 10));
	return Math.round(most * (0.5 + random / 2));
}
