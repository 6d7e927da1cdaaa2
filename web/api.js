// HTTP calls, and the login: the access token is here alone, the refresh token in a cookie.

function refusal(status, problem) {
	const fields = problem?.errors?.map(({ field, detail }) => `${field} ${detail}`).join('; ');
	return Object.assign(new Error(fields || problem?.detail || 'The server cannot be reached.'), { status });
}

export class Api {
	async call(method, path, body) {
		const { token } = this;
		return this.#fetch(method, path, body, token).catch(async (error) => {
			if (error.status !== 401) throw error;
			if (this.token === token) await this.refresh();
			return this.#fetch(method, path, body, this.token);
		});
	}

	async #fetch(method, path, body, token) {
		const headers = { ...(token && { authorization: `Bearer ${token}` }), 'content-type': 'application/json' };
		const signal = AbortSignal.timeout(20_000);
		const response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body), signal })
			.catch(() => { throw refusal(); });
		const answer = await response.json().catch(() => null);
		if (!response.ok) throw refusal(response.status, answer);
		return answer;
	}

	#take(session) {
		if (this.user && session.user.id !== this.user.id) location.reload(); // somebody else now
		this.user = session.user;
		this.token = session.access_token;
		this.renewAt = Date.now() + session.expires_in * 1000 * 2 / 3;
		localStorage.user = session.user.username; // there is a login: no secret
	}

	get isOld() {
		return Date.now() >= this.renewAt;
	}

	// One tab after the other, where the browser has locks.
	refresh() {
		const ask = () => this.#fetch('POST', '/auth/refresh', {});
		this.refreshing ??= (navigator.locks?.request('chat.refresh', ask) ?? ask()).then((session) => this.#take(session), (error) => {
			if (error.status === 401) this.ended();
			throw error;
		}).finally(() => { this.refreshing = null; });
		return this.refreshing;
	}

	async enter(how, values) {
		const device_name = `Browser, ${navigator.platform}`;
		this.#take(await this.#fetch('POST', `/auth/${how}`, { ...values, device_name, cookie: true }));
	}

	logout() {
		return this.#fetch('POST', '/auth/logout', {});
	}

	// The session is over. The page begins anew, so that nothing of it stays.
	ended(why = 'Your session ended. Log in again.') {
		delete localStorage.user;
		sessionStorage.why = why;
		location.reload();
	}
}
