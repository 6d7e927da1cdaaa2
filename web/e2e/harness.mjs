// A server, a browser, and people in it. playwright-core drives the system's own Chromium: it is released with
// each Chromium, has no dependencies, fetches no browser of its own and waits for conditions by itself. A WebDriver
// crate would need a driver beside the browser, of the same version, and waits for nothing.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const ROOT = new URL('../..', import.meta.url).pathname;
const SERVER = process.env.CHAT_SERVER ?? join(ROOT, 'target/debug/chat-server');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const PASSWORD = 'correct horse battery';
/** How long a condition may take on a busy machine. */
export const PATIENCE = Number(process.env.PATIENCE_MS ?? 60_000);

/** Why the browser tests cannot run here, or false. */
export const missing = !existsSync(CHROMIUM) ? `${CHROMIUM} is not there` : !existsSync(SERVER) && `${SERVER} is not built`;

const freePort = () => new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

/** A server with a data directory of its own, which it can be started on again. */
export class Server {
  static async start(env = {}) {
    const server = new Server();
    server.env = env;
    server.folder = mkdtempSync(join(tmpdir(), 'chat-page-'));
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    await server.up();
    return server;
  }

  async up() {
    this.log = '';
    this.process = spawn(SERVER, ['--listen', `127.0.0.1:${this.port}`, '--data-dir', join(this.folder, 'data')], {
      env: { ...process.env, CHAT_PBKDF2_ITERATIONS: '1000', CHAT_RATE_LIMITS: 'off', ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => { this.log += text; });
    this.exited = new Promise((resolve) => this.process.once('exit', resolve));
    await until('the server is ready', async () => {
      if (this.process.exitCode !== null) throw new Error(this.log);
      return (await fetch(`${this.url}/readyz`).catch(() => null))?.ok;
    });
  }

  /** What one of the operator's commands prints. */
  command(...args) {
    return execFileSync(SERVER, args, { env: { ...process.env, CHAT_DATA_DIR: join(this.folder, 'data') }, encoding: 'utf8' });
  }

  async down(signal = 'SIGTERM') {
    this.process.kill(signal);
    await this.exited;
  }

  async stop() {
    await this.down('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A person without a browser. */
  async person(username) {
    const session = await this.call(null, 'POST', '/auth/register', { username, password: PASSWORD });
    return { username, token: session.access_token, call: (...args) => this.call(session.access_token, ...args) };
  }

  async call(token, method, path, body) {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { ...(body && { 'content-type': 'application/json' }), ...(token && { authorization: `Bearer ${token}` }) },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text && JSON.parse(text);
  }
}

/** Waits for a condition, asking again and again; the pause only spares the processor. */
export async function until(what, check) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

/** The browser, with an empty profile. */
export class Browser {
  static async start() {
    const browser = new Browser();
    browser.chromium = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage',
        '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    return browser;
  }

  stop() {
    return this.chromium.close();
  }

  /** Somebody with a browser of their own. */
  async context(server, options = {}) {
    const context = await this.chromium.newContext({ viewport: { width: 1100, height: 750 }, locale: 'en-GB', timezoneId: 'UTC', ...options });
    context.setDefaultTimeout(PATIENCE);
    return context;
  }

  async tab(server, context) {
    return Tab.open(server, context);
  }

  /** A new account in a browser of its own. */
  async register(server, username, options) {
    const tab = await this.tab(server, await this.context(server, options));
    await tab.register(username);
    return tab;
  }
}

/** One page, and everything that it complains about. */
export class Tab {
  static async open(server, context) {
    const tab = new Tab();
    const page = await context.newPage();
    Object.assign(tab, { server, context, page, errors: [], dialogs: [], elsewhere: [] });
    page.on('console', (message) => message.type() === 'error' && tab.errors.push(`${message.text()} ${message.location().url}`));
    page.on('pageerror', (error) => tab.errors.push(String(error.stack)));
    page.on('dialog', (dialog) => {
      tab.dialogs.push(dialog.message());
      dialog.dismiss();
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(`${server.url}/`)) tab.elsewhere.push(request.url());
    });
    await page.addInitScript(() => {
      window.violations = [];
      document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
    });
    await page.goto(server.url);
    return tab;
  }

  async register(username) {
    const { page } = this;
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Make an account' }).click();
    await this.connected();
  }

  async login(username, password = PASSWORD) {
    const { page } = this;
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await this.connected();
  }

  connected() {
    return this.page.locator('#bar.open').waitFor({ state: 'attached' });
  }

  get input() {
    return this.page.getByLabel('Message', { exact: true });
  }

  async send(text) {
    await this.input.fill(text);
    await this.input.press('Enter');
  }

  async open(title) {
    await this.page.locator('#side li a').filter({ hasText: title }).click();
    await this.shows(title);
  }

  /** The conversation is open. */
  shows(title) {
    return this.page.locator('#name').filter({ hasText: title }).waitFor();
  }

  /** Begins a direct. */
  async write(username) {
    await this.page.getByRole('button', { name: 'Write to somebody' }).click();
    await this.page.getByRole('button', { name: `Write to ${username}` }).click();
    await this.shows(username);
  }

  message(text) {
    return this.page.locator('.msg').filter({ hasText: text });
  }

  /** The texts that are shown as sent, in order. */
  texts() {
    return this.page.locator('.msg:not(.pending):not(.failed) .body').allTextContents();
  }

  sees(text) {
    return this.page.locator('.msg:not(.pending)').filter({ hasText: text }).first().waitFor();
  }

  /** Nothing was complained about. */
  async clean(assert, allowed = /(?!)/) {
    assert.deepEqual(await this.page.evaluate(() => window.violations), [], 'the policy was violated');
    assert.deepEqual(this.errors.filter((error) => !allowed.test(error)), [], 'errors in the console');
    assert.deepEqual(this.dialogs, []);
    assert.deepEqual(this.elsewhere, []);
  }
}
