// One connection that comes back by itself. It says what state it is in, and hands frames on.
import { afterClose, backoff, frames, uuid } from './frames.js';

const READY_MS = 15_000;
const PROBE_MS = 5_000;
const TICK_MS = 5_000;

export class Socket {
	/**
	 * @param {import('./api.js').Api} api
	 * @param {{frame: (frame: object) => void, state: (state: object) => void}} on
	 */
	constructor(api, on) {
		Object.assign(this, { api, on, attempt: 0, running: false, socket: null });
		this.state = { kind: 'stopped', text: '' };
	}

	start() {
		this.running = true;
		this.ticker ??= setInterval(() => this.#tick(), TICK_MS);
		this.#connect();
	}

	stop(text = '') {
		this.running = false;
		clearInterval(this.ticker);
		this.ticker = null;
		this.#leave();
		this.#tell({ kind: 'stopped', text });
	}

	get isOpen() {
		return this.state.kind === 'open';
	}

	/** Sends where there is a connection. @returns {boolean} was it sent? */
	send(frame) {
		if (!this.isOpen || this.socket.readyState !== 1) return false;
		this.socket.send(JSON.stringify(frame));
		return true;
	}

	/** Something happened that makes another look worth while: the phone woke, the network is back. */
	wake() {
		if (!this.running) return;
		if (this.state.kind === 'waiting') this.#connect();
		else if (this.isOpen && !this.probe) this.#ping(PROBE_MS);
	}

	/** Begins anew: `ready` tells everything. */
	again() {
		if (this.running) this.#connect();
	}

	#tell(state) {
		this.state = state;
		this.on.state(state);
	}

	#leave() {
		clearTimeout(this.timer);
		clearTimeout(this.probe);
		this.probe = null;
		const socket = this.socket;
		this.socket = null;
		socket?.close();
	}

	async #connect() {
		this.#leave();
		const turn = this.turn = Symbol('turn');
		this.#tell({ kind: 'connecting' });
		try {
			if (this.renew || Date.now() >= this.api.renewAt) await this.api.refresh();
			this.renew = false;
		} catch (error) {
			if (this.turn === turn && this.running) this.#wait(error.retryAfter || backoff(this.attempt++));
			return;
		}
		if (this.turn !== turn || !this.running) return;
		const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/ws`;
		const socket = this.socket = new WebSocket(url, ['chat.v1', `bearer.${this.api.token}`]);
		socket.onmessage = ({ data }) => socket === this.socket && this.#receive(data);
		socket.onclose = ({ code, reason }) => socket === this.socket && this.#closed(code, reason);
		this.timer = setTimeout(() => this.#closed(1006, ''), READY_MS);
	}

	#receive(data) {
		this.heard = Date.now();
		clearTimeout(this.probe);
		this.probe = null;
		const frame = JSON.parse(data);
		if (frame.type === 'ready') {
			clearTimeout(this.timer);
			this.attempt = 0;
			this.heartbeat = frame.heartbeat_ms;
			this.#tell({ kind: 'open' });
		}
		this.on.frame(frame);
	}

	#closed(code, reason) {
		const next = afterClose(code, reason);
		if (!next.go) {
			this.stop(next.text);
			if (next.ended) this.api.ended();
			return;
		}
		// A refused upgrade tells no reason; an old token is one.
		this.renew = next.renew || !this.isOpen;
		this.#wait(next.wait ?? (next.renew ? 0 : backoff(this.attempt++)), next.text);
	}

	#wait(ms, text = 'No connection.') {
		this.#leave();
		this.#tell({ kind: 'waiting', until: Date.now() + ms, text });
		this.timer = setTimeout(() => this.#connect(), ms);
	}

	#ping(patience) {
		this.send(frames.ping());
		this.probe = setTimeout(() => this.#closed(4010, ''), patience);
	}

	async #tick() {
		if (!this.isOpen) return;
		if (!this.probe && Date.now() - this.heard > this.heartbeat) this.#ping(this.heartbeat);
		if (Date.now() >= this.api.renewAt) {
			await this.api.refresh().catch(() => {});
			this.send(frames.auth(uuid(), this.api.token));
		}
	}
}
