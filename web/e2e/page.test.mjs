// People talk, on real pages with a real server: in groups and in private, over a restart, in several tabs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser, missing, PASSWORD, Server, Tab, until } from './harness.mjs';

/** A refused connection is no fault of the page while the server is away. */
const AWAY = /ERR_CONNECTION|WebSocket|503/;

describe('the page', { skip: missing }, () => {
  let server;
  let browser;
  let alice;
  let bob;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    alice = await browser.register(server, 'alice');
    bob = await browser.register(server, 'bob');
  });
  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  test('two people talk in a group', async () => {
    await alice.send('hello **bob**');
    await bob.sees('hello bob');
    await bob.send('good morning @alice');
    await alice.sees('good morning');
    await alice.page.locator('.msg.me').waitFor();
    assert.deepEqual(await alice.texts(), await bob.texts());
  });

  test('replies, edits, reactions and deletions reach the other side', async () => {
    const tool = async (tab, text, name) => {
      await tab.message(text).last().focus();
      await tab.page.getByRole('toolbar').getByRole('button', { name }).click();
    };
    await tool(bob, 'hello bob', 'Reply');
    await bob.page.locator('#context').getByText('Reply to alice').waitFor();
    await bob.send('and hello to you');
    await alice.message('and hello to you').locator('.quote').filter({ hasText: 'alice: hello **bob**' }).waitFor();
    await tool(bob, 'and hello to you', 'Edit');
    await bob.send('and a good day to you');
    await alice.message('and a good day to you').getByText('edited').waitFor();
    await tool(alice, 'and a good day', 'React');
    await alice.page.getByRole('dialog').getByRole('button', { name: '🎉' }).click();
    await bob.message('and a good day').getByRole('button', { name: '🎉 1: alice' }).click();
    await alice.message('and a good day').getByRole('button', { name: '🎉 2: alice, bob' }).waitFor();
    await bob.send('a slip');
    await alice.sees('a slip');
    await tool(bob, 'a slip', 'Delete');
    await bob.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await alice.page.locator('.msg em', { hasText: 'deleted' }).waitFor();
    await until('the slip is gone', async () => await alice.message('a slip').count() === 0);
  });

  test('two people talk in private, and unread is counted until somebody looks', async () => {
    await bob.write('alice');
    await bob.send('between us');
    const entry = alice.page.locator('#direct a');
    await entry.locator('.badge.me').filter({ hasText: '1' }).waitFor();
    await until('the title tells', async () => (await alice.page.title()).startsWith('(1) '));
    await alice.open('bob');
    await alice.sees('between us');
    await alice.page.locator('.new').waitFor();
    await entry.locator('.badge').waitFor({ state: 'detached' });
    await until('the title is calm', async () => !(await alice.page.title()).startsWith('('));
    await alice.send('only us');
    await bob.sees('only us');
    await alice.input.fill('still wri');
    await bob.page.locator('#typing').filter({ hasText: 'alice typing' }).waitFor();
  });

  test('a draft waits in its conversation', async () => {
    await alice.open('#general');
    assert.equal(await alice.input.inputValue(), '');
    await alice.open('bob');
    assert.equal(await alice.input.inputValue(), 'still wri');
    await alice.input.fill('');
  });

  test('names are completed', async () => {
    await alice.open('#general');
    await alice.input.pressSequentially('hey @bo');
    await alice.page.getByRole('option', { name: '@bob' }).waitFor();
    await alice.input.press('Tab');
    assert.equal(await alice.input.inputValue(), 'hey @bob ');
    await alice.input.press('Enter');
    await alice.message('hey @bob').locator('.mention').waitFor();
  });

  test('marked unread it stays so until it is opened again', async () => {
    await alice.open('bob');
    await alice.page.getByRole('button', { name: 'About this conversation' }).click();
    await alice.page.getByRole('button', { name: 'Mark unread' }).click();
    await alice.page.locator('#direct .badge').waitFor();
    await alice.open('bob');
    await alice.page.locator('#direct .badge').waitFor({ state: 'detached' });
  });

  test('groups are made, found, joined, led and left', async () => {
    await alice.page.getByRole('button', { name: 'Join or create a group' }).click();
    await alice.page.getByLabel('Name', { exact: true }).fill('garden');
    await alice.page.getByLabel('Topic').fill('what grows');
    await alice.page.getByRole('button', { name: 'Create', exact: true }).click();
    await alice.shows('#garden');
    await alice.page.locator('#topic').filter({ hasText: 'what grows' }).waitFor();
    await bob.page.getByRole('button', { name: 'Join or create a group' }).click();
    await bob.page.getByLabel('Find', { exact: true }).fill('gard');
    await bob.page.getByRole('button', { name: 'Join garden' }).click();
    await bob.shows('#garden');
    await alice.page.locator('.notice').filter({ hasText: 'bob joined' }).waitFor();
    await alice.page.getByRole('button', { name: 'Members' }).click();
    await alice.page.getByLabel('Role of bob').selectOption('moderator');
    await bob.page.locator('.notice').filter({ hasText: 'alice made bob moderator' }).waitFor();
    await alice.page.getByRole('button', { name: 'Close' }).click();
    await until('bob may change the topic', async () => {
      await bob.page.getByRole('button', { name: 'About this conversation' }).click();
      if (await bob.page.getByLabel('Topic').count()) return true;
      await bob.page.keyboard.press('Escape');
      return false;
    });
    await bob.page.getByLabel('Topic').fill('what we eat');
    await bob.page.getByRole('button', { name: 'Save' }).click();
    await alice.page.locator('#topic').filter({ hasText: 'what we eat' }).waitFor();
    await bob.page.getByRole('dialog').waitFor({ state: 'detached' });
    await bob.page.getByRole('button', { name: 'About this conversation' }).click();
    await bob.page.getByRole('button', { name: 'Leave' }).click();
    await bob.page.getByRole('dialog').last().getByRole('button', { name: 'Leave' }).click();
    await alice.page.locator('.notice').filter({ hasText: 'bob left' }).waitFor();
    await bob.page.locator('#group a').filter({ hasText: 'garden' }).waitFor({ state: 'detached' });
  });

  test('history is read on scrolling, up and down', async () => {
    const carol = await server.person('carol');
    const { conversations: [{ id }] } = await carol.call('GET', '/conversations');
    for (let n = 0; n < 180; n += 1) {
      await carol.call('POST', `/conversations/${id}/messages`, { id: crypto.randomUUID(), body: `line ${n}` });
    }
    const dora = await browser.register(server, 'dora');
    await dora.sees('line 179');
    const seen = () => dora.page.locator('.msg .body').filter({ hasText: /^line \d+$/ }).allTextContents();
    await until('the beginning is there', async () => {
      await dora.page.locator('#log').evaluate((node) => { node.scrollTop = 0; });
      return (await seen())[0] === 'line 0';
    });
    assert.deepEqual(await seen(), Array.from({ length: 180 }, (_, n) => `line ${n}`));
    await carol.call('POST', `/conversations/${id}/messages`, { id: crypto.randomUUID(), body: 'one more' });
    await dora.page.getByRole('button', { name: '↓ 1 new' }).click();
    await dora.sees('one more');
    await until('it is read', async () => (await dora.page.locator('#group .badge').count()) === 0);
    await dora.context.close();
    // Bob was away from it: what is unread is shown from where he stopped, and the rest on scrolling down.
    await bob.open('#general');
    await until('the end is there', async () => {
      await bob.page.locator('#log').evaluate((node) => { node.scrollTop = node.scrollHeight; });
      return (await bob.texts()).at(-1) === 'one more';
    });
    const texts = (await bob.texts()).filter((text) => /^line/.test(text));
    assert.deepEqual(texts, Array.from({ length: 180 }, (_, n) => `line ${n}`).slice(180 - texts.length));
  });

  test('a restart of the server loses nothing and doubles nothing', async () => {
    for (const tab of [alice, bob]) await tab.open('#general');
    await alice.send('before');
    await bob.sees('before');
    await server.down();
    await alice.page.locator('#bar.waiting').waitFor();
    for (const text of ['during one', 'during two', 'during three']) await alice.send(text);
    await bob.page.locator('#bar.waiting').waitFor();
    await bob.send('me too');
    assert.equal(await alice.page.locator('.msg.pending').count(), 3);
    await server.up();
    await alice.connected();
    await bob.connected();
    for (const tab of [alice, bob]) for (const text of ['during three', 'me too']) await tab.sees(text);
    await alice.page.locator('.msg.pending').waitFor({ state: 'detached' });
    await alice.send('after');
    await bob.sees('after');
    const tail = (texts) => texts.slice(texts.indexOf('before'));
    const found = tail(await alice.texts());
    assert.deepEqual([...found].sort(), ['after', 'before', 'during one', 'during three', 'during two', 'me too']);
    assert.deepEqual(found.filter((text) => text.startsWith('during')), ['during one', 'during two', 'during three']);
    assert.deepEqual(tail(await bob.texts()), found);
  });

  test('a kill in the middle of sending loses nothing and doubles nothing', async () => {
    const sent = Array.from({ length: 30 }, (_, n) => `burst ${n}`);
    for (const [at, text] of sent.entries()) {
      await alice.send(text);
      if (at === 15) await server.down('SIGKILL');
    }
    await server.up();
    await bob.sees('burst 29');
    await alice.page.locator('.msg.pending').first().waitFor({ state: 'detached' });
    const texts = (await bob.texts()).filter((text) => text.startsWith('burst'));
    assert.deepEqual(texts, sent);
    assert.deepEqual((await alice.texts()).filter((text) => text.startsWith('burst')), sent);
  });

  test('several tabs refresh at once, and nobody is logged out', async () => {
    const tabs = [alice, ...await Promise.all([1, 2, 3].map(() => Tab.open(server, alice.context)))];
    await Promise.all(tabs.map((tab) => tab.connected()));
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(tabs.map((tab) => tab.page.reload()));
      await Promise.all(tabs.map((tab) => tab.connected()));
    }
    await tabs[1].open('bob');
    await tabs[1].send('from another tab');
    await bob.page.locator('#direct .badge').waitFor();
    for (const tab of tabs.slice(1)) {
      await tab.clean(assert, AWAY);
      await tab.page.close();
    }
  });

  test('nothing secret is in reach of scripts', async () => {
    const found = await alice.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.doesNotMatch(found, /eyJ|token|refresh/i);
    const [cookie] = await alice.context.cookies(`${server.url}/`);
    assert.equal(cookie, undefined, 'the cookie is sent to /api/v1/auth only');
    const [auth] = await alice.context.cookies(`${server.url}/api/v1/auth/refresh`);
    assert.deepEqual([auth.httpOnly, auth.sameSite, auth.path], [true, 'Strict', '/api/v1/auth']);
  });

  test('an ended session says so, a new password and log-out work', async () => {
    const other = await Tab.open(server, await browser.context(server));
    await other.login('bob');
    await other.page.locator('#account').click();
    await other.page.locator('.list li').nth(1).waitFor();
    await other.page.getByLabel('Present password').fill(PASSWORD);
    await other.page.getByLabel('New password').fill('another good secret');
    await other.page.getByRole('button', { name: 'Change' }).click();
    await bob.page.getByText('Your session ended. Log in again.').waitFor();
    await bob.login('bob', 'another good secret');
    await bob.open('#general');
    await bob.page.locator('#account').click();
    await bob.page.getByRole('button', { name: /^End / }).first().click();
    await other.page.getByText('Your session ended. Log in again.').waitFor();
    await bob.page.getByRole('button', { name: 'Log out' }).click();
    await bob.page.getByLabel('Username').waitFor();
    assert.equal(await bob.page.evaluate(() => localStorage.length), 0);
    await bob.clean(assert, AWAY);
    await alice.clean(assert, AWAY);
  });
});
