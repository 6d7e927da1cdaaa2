// The terminal client in a terminal of its own. tmux is that terminal: small, kept up everywhere, installed without a
// compiler; it types keys and reads the screen.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PASSWORD, until } from './harness.mjs';

const CLIENT = process.env.CHAT_TUI ?? new URL('../../target/debug/chat-tui', import.meta.url).pathname;

/** Why there can be no terminal here, or false. */
export const missing = spawnSync('tmux', ['-V']).error ? 'tmux is not installed' : !existsSync(CLIENT) && `${CLIENT} is not built`;

export class Terminal {
  /** A new account, and a folder for what its client keeps. */
  static async register(server, username) {
    const terminal = new Terminal();
    terminal.home = mkdtempSync(join(tmpdir(), 'chat-terminal-'));
    terminal.env = { PATH: process.env.PATH, HOME: terminal.home, CHAT_TUI_HOME: terminal.home, LANG: 'C.UTF-8', TERM: 'xterm-256color' };
    execFileSync(CLIENT, ['register', '--server', server.url, '--username', username, '--password-stdin'],
      { env: terminal.env, input: `${PASSWORD}\n`, stdio: ['pipe', 'ignore', 'inherit'] });
    await terminal.start();
    return terminal;
  }

  #tmux(...args) {
    return execFileSync('tmux', ['-S', join(this.home, 'tmux'), '-f', '/dev/null', ...args], { env: this.env, encoding: 'utf8' });
  }

  async start() {
    this.#tmux('new-session', '-d', '-x', '100', '-y', '45', CLIENT);
    await this.online();
  }

  screen() {
    return this.#tmux('capture-pane', '-p');
  }

  sees(text) {
    return until(`the terminal shows ${text}`, () => this.screen().includes(text));
  }

  /** The status line, the last one, says whether there is a connection. */
  get isOnline() {
    return this.screen().trimEnd().split('\n').at(-1).includes('● online');
  }

  online() {
    return until('the terminal is connected', () => this.isOnline);
  }

  offline() {
    return until('the terminal has no connection', () => !this.isOnline);
  }

  /** Writes a line, and enters it. */
  send(text) {
    this.#tmux('send-keys', '-l', text);
    this.#tmux('send-keys', 'Enter');
  }

  async open(title) {
    await this.sees(title);
    this.send(`/go ${title}`);
    await until(`the terminal has ${title} open`, () => this.screen().split('\n')[0].slice(24).includes(title));
  }

  /** What of this is on the screen, from top to bottom. */
  texts(pattern) {
    return this.screen().match(pattern) ?? [];
  }

  /** Ends the client, and with it its terminal. */
  async close() {
    this.#tmux('send-keys', 'C-q');
    await this.sees('Quit?');
    this.#tmux('send-keys', 'y');
    await until('the client has ended', () => spawnSync('tmux', ['-S', join(this.home, 'tmux'), 'has-session'], { env: this.env }).status !== 0);
  }

  stop() {
    spawnSync('tmux', ['-S', join(this.home, 'tmux'), 'kill-server'], { env: this.env });
    rmSync(this.home, { recursive: true, force: true });
  }
}
