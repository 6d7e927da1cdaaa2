// One connection that comes back by itself. It says what state it is in, and hands frames on.
import { afterClose, backoff, frames, uuid } from './frames.js';

const READY_MS = 15_000;
const PROBE_MS = 5_000;

export class Socket {
	#socket;
	#turn;
	#timer;
	#probe;
	#attempt = 0;

	/** @param {(frame: object) => void} onframe @param {() => void} onstate */
	constructor(api, onframe, onstate) {
		Object.assign(this, { api, onframe, onstate, state: {} });
	}

	start() {
		this.running = true;
		this.ticker ??= setInterval(() => this.#tick(), PROBE_MS);
		this.#connect();
	}

	stop(text = '') {
		this.running = false;
		this.ticker = clearInterval(this.ticker);
		this.#leave();
		this.#tell({ kind: 'stopped', text });
	}

	get isOpen() {
		return this.state.kind === 'open';
	}

	/** @returns {boolean} was it sent? */
	send(frame) {
		if (!this.isOpen || this.#socket.readyState !== 1) return false;
		this.#socket.send(JSON.stringify(frame));
		return true;
	}

	/** The phone woke, the network is back: look whether the connection lives. */
	wake() {
		if (this.state.kind === 'waiting') this.#connect();
		else if (this.isOpen && !this.#probe) this.#ping(PROBE_MS);
	}

	/** Begins anew: `ready` tells everything. */
	again() {
		if (this.running) this.#wait(backoff(this.#attempt++));
	}

	#tell(state) {
		this.state = state;
		this.onstate();
	}

	#leave() {
		clearTimeout(this.#timer);
		this.#probe = clearTimeout(this.#probe);
		const socket = this.#socket;
		this.#socket = this.#turn = null;
		socket?.close();
	}

	async #connect() {
		this.#leave();
		const turn = this.#turn = {};
		this.#tell({ kind: 'connecting', text: 'Connecting…' });
		try {
			if (this.renew || Date.now() >= this.api.renewAt) await this.api.refresh();
			this.renew = false;
		} catch (error) {
			if (this.#turn === turn) this.#wait(error.wait || backoff(this.#attempt++));
			return;
		}
		if (this.#turn !== turn) return;
		const socket = this.#socket = new WebSocket(`${location.origin.replace('http', 'ws')}/api/v1/ws`, ['chat.v1', `bearer.${this.api.token}`]);
		socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
		socket.onclose = ({ code, reason }) => socket === this.#socket && this.#closed(code, reason);
		this.#timer = setTimeout(() => this.#closed(1006), READY_MS);
	}

	#receive(frame) {
		this.heard = Date.now();
		this.#probe = clearTimeout(this.#probe);
		if (frame.type === 'ready') {
			clearTimeout(this.#timer);
			this.#attempt = 0;
			this.heartbeat = frame.heartbeat_ms;
			this.#tell({ kind: 'open', text: '' });
		}
		this.onframe(frame);
	}

	#closed(code, reason) {
		const { go, wait, renew, ended, text } = afterClose(code, reason);
		if (go) {
			this.renew = renew || !this.isOpen; // a refused upgrade tells no reason; an old token is one
			this.#wait(wait ?? (renew ? 0 : backoff(this.#attempt++)), text);
			return;
		}
		this.stop(text);
		if (ended) this.api.ended();
	}

	#wait(ms, text = 'No connection.') {
		this.#leave();
		this.#tell({ kind: 'waiting', until: Date.now() + ms, text });
		this.#timer = setTimeout(() => this.#connect(), ms);
	}

	#ping(patience) {
		this.send(frames.ping());
		this.#probe = setTimeout(() => this.#closed(4010), patience);
	}

	async #tick() {
		if (!this.isOpen) return;
		if (!this.#probe && Date.now() - this.heard > this.heartbeat) this.#ping(this.heartbeat);
		if (Date.now() < this.api.renewAt) return;
		await this.api.refresh().then(() => this.send(frames.auth(uuid(), this.api.token)), () => {});
	}
}
