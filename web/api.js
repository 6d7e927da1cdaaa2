// HTTP calls, and the login. The access token lives in this object and nowhere else; the refresh token
// is a cookie that no script can read.

/** A refusal of the server, or none of its answers (`status` 0). */
export class ApiError extends Error {
	constructor(status, problem = {}, retryAfter = 0) {
		const fields = problem.errors?.map(({ field, detail }) => `${field} ${detail}`).join('; ');
		super(fields || problem.detail || 'The server cannot be reached.');
		Object.assign(this, { status, code: problem.code ?? 'unreachable', retryAfter });
	}
}

/** Kept so that a page without a login does not ask for one; no secret. */
const HINT = 'chat.user';

export class Api {
	/** @param {() => void} onended called when the session is over */
	constructor(onended) {
		this.onended = onended;
		this.user = null;
		this.token = null;
	}

	get mayHaveSession() {
		return localStorage.getItem(HINT) !== null;
	}

	/** Asks with the access token, which is renewed before it expires. */
	async call(method, path, body) {
		if (Date.now() >= this.renewAt) await this.refresh();
		const token = this.token;
		try {
			return await this.#fetch(method, path, body, token);
		} catch (error) {
			if (error.status !== 401 || !this.user) throw error;
			if (this.token === token) await this.refresh();
			return this.#fetch(method, path, body, this.token);
		}
	}

	async #fetch(method, path, body, token) {
		const headers = {};
		if (token) headers.authorization = `Bearer ${token}`;
		if (body !== undefined) headers['content-type'] = 'application/json';
		let response;
		try {
			response = await fetch(`/api/v1${path}`, {
				method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store',
				signal: AbortSignal.timeout?.(20_000),
			});
		} catch {
			throw new ApiError(0);
		}
		const answer = response.status === 204 ? null : await response.json().catch(() => null);
		if (response.ok) return answer;
		const wait = Number(response.headers.get('retry-after')) * 1000;
		throw new ApiError(response.status, answer ?? { detail: `The server answered ${response.status}.` }, wait);
	}

	#take(session) {
		if (this.user && session.user.id !== this.user.id) location.reload(); // another tab logged in anew
		this.user = session.user;
		this.token = session.access_token;
		this.lifetime = session.expires_in * 1000;
		this.renewAt = Date.now() + this.lifetime * 2 / 3;
		localStorage.setItem(HINT, session.user.username);
		return session;
	}

	/** A new access token. Once at a time here, and one tab after the other where the browser has locks. */
	refresh() {
		this.refreshing ??= this.#refresh().finally(() => { this.refreshing = null; });
		return this.refreshing;
	}

	async #refresh() {
		const ask = () => this.#fetch('POST', '/auth/refresh', {});
		try {
			return this.#take(await (navigator.locks ? navigator.locks.request('chat.refresh', ask) : ask()));
		} catch (error) {
			if (error.status === 401 || error.status === 403) this.ended();
			throw error;
		}
	}

	async enter(path, values) {
		const device_name = `Browser, ${navigator.userAgentData?.platform || navigator.platform || 'unknown'}`;
		return this.#take(await this.#fetch('POST', path, { ...values, device_name, cookie: true }));
	}

	/** Ends the session, also where the access token is no longer good: the cookie names it too. */
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
