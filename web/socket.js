// One connection that comes back by itself.
import { afterClose, backoff, frames, uuid } from './frames.js';

const READY_MS = 15_000;
const PROBE_MS = 5_000;

export class Socket {
	#socket;
	#turn;
	#timer;
	#probe;
	#attempt = 0;
	state = {};

	constructor(app) {
		Object.assign(this, { app, api: app.api });
		setInterval(() => this.#tick(), PROBE_MS);
	}

	get isOpen() {
		return this.state.kind === 'open';
	}

	// Was it sent?
	send(frame) {
		const can = this.isOpen && this.#socket.readyState === 1;
		if (can) this.#socket.send(JSON.stringify(frame));
		return can;
	}

	// The phone woke, or the network is back.
	wake() {
		if (this.state.kind === 'waiting') this.start();
		else if (this.isOpen && !this.#probe) this.#ping(PROBE_MS);
	}

	// Begins anew: `ready` tells everything.
	again() {
		if (this.state.kind !== 'stopped') this.#wait();
	}

	#tell(kind, text, until) {
		clearTimeout(this.#timer);
		this.state = { kind, text, until };
		if (kind !== 'open') {
			this.#probe = clearTimeout(this.#probe);
			const socket = this.#socket;
			this.#socket = this.#turn = null;
			socket?.close();
		}
		this.app.bar();
	}

	async start() {
		this.#tell('connecting', 'Connecting…');
		const turn = this.#turn = {};
		const refused = this.api.isOld && await this.api.refresh().catch((error) => error);
		if (turn !== this.#turn) return;
		if (refused) {
			this.#wait();
			return;
		}
		const socket = this.#socket = new WebSocket(`${location.origin.replace('http', 'ws')}/api/v1/ws`, ['chat.v1', `bearer.${this.api.token}`]);
		socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
		socket.onclose = ({ code, reason }) => socket === this.#socket && this.#closed(code, reason);
		this.#timer = setTimeout(() => this.#closed(1006), READY_MS);
	}

	#receive(frame) {
		this.heard = Date.now();
		this.#probe = clearTimeout(this.#probe);
		if (frame.type === 'ready') {
			this.heartbeat = frame.heartbeat_ms;
			this.#tell('open', '');
		}
		this.app.take(frame);
	}

	#closed(code, reason) {
		const { go, wait, renew, ended, text } = afterClose(code, reason);
		if (ended) this.api.ended();
		if (renew || !this.isOpen) this.api.renewAt = 0; // a refused upgrade tells no reason; an old token is one
		if (go) this.#wait(renew ? 0 : wait, text);
		else this.#tell('stopped', text);
	}

	#wait(ms = backoff(this.#attempt++), text = 'No connection.') {
		this.#tell('waiting', text, Date.now() + ms);
		this.#timer = setTimeout(() => this.start(), ms);
	}

	#ping(patience) {
		this.send(frames.ping());
		this.#probe = setTimeout(() => this.#closed(4010), patience);
	}

	#tick() {
		if (!this.isOpen) return;
		this.#attempt = 0; // it holds
		if (!this.#probe && Date.now() - this.heard > this.heartbeat) this.#ping(this.heartbeat);
		if (this.api.isOld) this.api.refresh().then(() => this.send(frames.auth(uuid(), this.api.token)), () => {});
	}
}
