// HTTP calls, and the login. The access token lives in this object alone; the refresh token is a cookie that no
// script can read.

/** A refusal of the server, or none of its answers (`status` 0). */
export class ApiError extends Error {
	constructor(status, problem, wait = 0) {
		const fields = problem?.errors?.map(({ field, detail }) => `${field} ${detail}`).join('; ');
		super(fields || problem?.detail || 'The server cannot be reached.');
		Object.assign(this, { status, wait });
	}
}

// Kept so that a page without a login does not ask for one; no secret.
const HINT = 'chat.user';

export class Api {
	constructor(onended) {
		this.onended = onended;
	}

	get mayResume() {
		return localStorage.getItem(HINT) !== null;
	}

	/** Asks with the access token, which is renewed before it expires. */
	async call(method, path, body) {
		await this.renew();
		const { token } = this;
		return this.#fetch(method, path, body, token).catch(async (error) => {
			if (error.status !== 401 || !this.user) throw error;
			if (this.token === token) await this.refresh();
			return this.#fetch(method, path, body, this.token);
		});
	}

	async #fetch(method, path, body, token) {
		const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/json' }) };
		const response = await fetch(`/api/v1${path}`, {
			method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(20_000),
		}).catch(() => { throw new ApiError(0); });
		const answer = await response.json().catch(() => null);
		if (!response.ok) throw new ApiError(response.status, answer, response.headers.get('retry-after') * 1000);
		return answer;
	}

	#take(session) {
		if (this.user && session.user.id !== this.user.id) location.reload(); // another tab is somebody else now
		this.user = session.user;
		this.token = session.access_token;
		this.renewAt = Date.now() + session.expires_in * 1000 * 2 / 3;
		localStorage.setItem(HINT, session.user.username);
	}

	/** Renews the access token where it is time. */
	async renew() {
		if (Date.now() >= this.renewAt) await this.refresh();
	}

	/** A new access token. Once at a time here, and one tab after the other where the browser has locks. */
	refresh() {
		const ask = () => this.#fetch('POST', '/auth/refresh', {});
		this.refreshing ??= (navigator.locks?.request('chat.refresh', ask) ?? ask()).then((session) => this.#take(session), (error) => {
			if (error.status === 401) this.ended();
			throw error;
		}).finally(() => { this.refreshing = null; });
		return this.refreshing;
	}

	async enter(path, values) {
		const device_name = `Browser, ${navigator.platform}`;
		this.#take(await this.#fetch('POST', path, { ...values, device_name, cookie: true }));
	}

	/** The cookie names the session, also where the access token is no longer good. */
	async logout() {
		await this.#fetch('POST', '/auth/logout', {});
		this.ended();
	}

	ended() {
		localStorage.removeItem(HINT);
		this.user = this.token = null;
		this.onended();
	}
}
