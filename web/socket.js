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

	constructor(api, onframe, onstate) {
		Object.assign(this, { api, onframe, onstate, state: {} });
	}

	start() {
		this.ticker ??= setInterval(() => this.#tick(), PROBE_MS);
		this.#connect();
	}

	stop(text = '') {
		this.ticker = clearInterval(this.ticker);
		this.#tell('stopped', text);
	}

	get isOpen() {
		return this.state.kind === 'open';
	}

	/** Sends a frame, if it can be: was it? */
	send(frame) {
		const can = this.isOpen && this.#socket.readyState === 1;
		if (can) this.#socket.send(JSON.stringify(frame));
		return can;
	}

	/** The phone woke, the network is back: look whether the connection lives. */
	wake() {
		if (this.state.kind === 'waiting') this.#connect();
		else if (this.isOpen && !this.#probe) this.#ping(PROBE_MS);
	}

	/** Begins anew: `ready` tells everything. */
	again() {
		if (this.ticker) this.#wait();
	}

	/** Says the state; all but the open one have no connection. */
	#tell(kind, text, until) {
		clearTimeout(this.#timer);
		this.state = { kind, text, until };
		if (kind !== 'open') {
			this.#probe = clearTimeout(this.#probe);
			const socket = this.#socket;
			this.#socket = this.#turn = null;
			socket?.close();
		}
		this.onstate();
	}

	async #connect() {
		this.#tell('connecting', 'Connecting…');
		const turn = this.#turn = {};
		try {
			await this.api.renew();
		} catch ({ wait }) {
			if (turn === this.#turn) this.#wait(wait || undefined);
			return;
		}
		if (turn !== this.#turn) return;
		const socket = this.#socket = new WebSocket(`${location.origin.replace('http', 'ws')}/api/v1/ws`, ['chat.v1', `bearer.${this.api.token}`]);
		socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
		socket.onclose = ({ code, reason }) => socket === this.#socket && this.#closed(code, reason);
		this.#timer = setTimeout(() => this.#closed(1006), READY_MS);
	}

	#receive(frame) {
		this.heard = Date.now();
		this.#probe = clearTimeout(this.#probe);
		if (frame.type === 'ready') {
			this.#attempt = 0;
			this.heartbeat = frame.heartbeat_ms;
			this.#tell('open', '');
		}
		this.onframe(frame);
	}

	#closed(code, reason) {
		const { go, wait, renew, ended, text } = afterClose(code, reason);
		if (!go) this.stop(text);
		else {
			if (renew || !this.isOpen) this.api.renewAt = 0; // a refused upgrade tells no reason; an old token is one
			this.#wait(renew ? 0 : wait, text);
		}
		if (ended) this.api.ended();
	}

	#wait(ms = backoff(this.#attempt++), text = 'No connection.') {
		this.#tell('waiting', text, Date.now() + ms);
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
