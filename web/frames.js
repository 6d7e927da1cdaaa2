// What is said over the WebSocket. Pure.

export const frames = {
	send: (id, conversation_id, body, reply_to) => ({ type: 'send', id, conversation_id, body, reply_to }),
	read: (conversation_id, seq) => ({ type: 'read', conversation_id, seq }),
	typing: (conversation_id) => ({ type: 'typing', conversation_id }),
	auth: (id, access_token) => ({ type: 'auth', id, access_token }),
	ping: () => ({ type: 'ping' }),
};

let last = 0;

// A UUID of version 7: ids made later sort later.
export function uuid() {
	last = Math.max(last + 1, Date.now());
	const digit = () => (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16);
	const time = last.toString(16).padStart(12, 0);
	return `${time.slice(0, 8)}-${time.slice(8)}-7xxx-axxx-xxxxxxxxxxxx`.replace(/x/g, digit);
}

const STOPS = {
	4500: 'Your session ended. Log in again.',
	4503: 'This account is disabled. Ask whoever runs the server.',
	4504: 'Too many connections. Close other tabs or devices, then click here.',
};

// What to do after a close: `go` on, after `wait` ms, with a new token (`renew`); or stop.
export function afterClose(code, reason) {
	if (code === 1012) {
		const wait = Number(/retry_after_ms=(\d+)/.exec(reason)?.[1] ?? 1000);
		return { go: true, wait: Math.min(wait, 60_000), text: 'The server restarts.' };
	}
	if ((code >= 4500 && code < 4600) || [1002, 1003, 1007, 1009].includes(code)) {
		return { go: false, ended: code === 4500, text: STOPS[code] ?? 'The server did not understand this page. Load it anew.' };
	}
	return { go: true, renew: code === 4001, text: 'No connection.' };
}

// Milliseconds until the next attempt: doubling, the upper half by chance.
export const backoff = (attempt, random = Math.random()) =>
	Math.round(Math.min(30_000, 500 * 2 ** attempt) * (0.5 + random / 2));
