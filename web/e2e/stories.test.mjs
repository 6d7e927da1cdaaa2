// Accounts, roles, and what is unread, as people meet them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser, missing, PASSWORD, Server, Tab, until } from './harness.mjs';

/** A refused call is told by the browser itself. */
const REFUSED = /40[13]|422/;

describe('accounts', { skip: missing }, () => {
  let browser;

  before(async () => { browser = await Browser.start(); });
  after(() => browser?.stop());

  /** Runs with a server of its own. */
  const on = async (env, work) => {
    const server = await Server.start(env);
    try {
      await work(server, await Tab.open(server, await browser.context(server)));
    } finally {
      await server.stop();
    }
  };
  const enter = async ({ page }, username) => {
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Make an account' }).click();
  };
  const alert = ({ page }, text) => page.getByRole('alert').filter({ hasText: text }).waitFor();

  test('the first one on a public address needs the setup code', () => on({ CHAT_BEHIND_PROXY: 'true' }, async (server, tab) => {
    const [, code] = /setup code: (\S+)/.exec(server.log);
    await enter(tab, 'eve');
    await alert(tab, 'needs the setup code');
    assert.equal(await tab.page.getByLabel('Invite').isVisible(), false);
    await tab.page.getByLabel('Setup code').fill('guessed');
    await enter(tab, 'eve');
    await alert(tab, 'This setup code is wrong');
    await tab.page.getByLabel('Setup code').fill(code);
    await enter(tab, 'eve');
    await tab.connected();
    await tab.clean(assert, REFUSED);
  }));

  test('where it is by invite, the invite is asked for and taken once', () => on({ CHAT_REGISTRATION: 'invite' }, async (server, tab) => {
    await enter(tab, 'eve');
    await alert(tab, 'Registration is by invite');
    assert.equal(await tab.page.getByLabel('Setup code').isVisible(), false);
    const [, code] = /code: (\S+)/.exec(server.command('invite', 'create'));
    await tab.page.getByLabel('Invite').fill(code);
    await enter(tab, 'eve');
    await tab.connected();
    const other = await Tab.open(server, await browser.context(server));
    await enter(other, 'mallory');
    await other.page.getByLabel('Invite').fill(code);
    await enter(other, 'mallory');
    await alert(other, /invite/i);
    assert.equal(await other.page.locator('#app').isVisible(), false);
  }));

  test('what the server refuses is said beside the form', () => on({}, async (server, tab) => {
    await server.person('eve');
    await enter(tab, 'eve');
    await alert(tab, 'Somebody has this username');
    await tab.page.getByLabel('Password').fill('not the password');
    await tab.page.getByRole('button', { name: 'Log in' }).click();
    await alert(tab, /password/i);
    await tab.page.getByLabel('Username').fill('not a name');
    await tab.page.getByRole('button', { name: 'Make an account' }).click();
    await alert(tab, 'username may have only');
  }));

  test('a new password ends every other session, and only it is good afterwards', () => on({}, async (server, here) => {
    await here.register('eve');
    const there = await Tab.open(server, await browser.context(server));
    await there.login('eve');
    await here.page.locator('#account').click();
    await here.page.getByLabel('Present password').fill('not the password');
    await here.page.getByLabel('New password').fill('another good secret');
    await here.page.getByRole('button', { name: 'Change' }).click();
    await here.page.getByRole('dialog').getByRole('alert').filter({ hasText: /password/i }).waitFor();
    await here.page.getByLabel('Present password').fill(PASSWORD);
    await here.page.getByRole('button', { name: 'Change' }).click();
    await here.page.getByText('Every other session ended').waitFor();
    await there.page.getByText('Your session ended. Log in again.').waitFor();
    await there.page.getByLabel('Username').fill('eve');
    await there.page.getByLabel('Password').fill(PASSWORD);
    await there.page.getByRole('button', { name: 'Log in' }).click();
    await alert(there, /password/i);
    await there.login('eve', 'another good secret');
    await here.send('still here');
    await there.sees('still here');
  }));

  test('a session is ended from the list', () => on({}, async (server, here) => {
    await here.register('eve');
    const there = await Tab.open(server, await browser.context(server));
    await there.login('eve');
    await here.page.locator('#account').click();
    const sessions = here.page.getByRole('dialog').locator('.list li');
    await until('both are listed', async () => await sessions.count() === 2);
    assert.equal(await sessions.filter({ hasText: 'this one' }).getByRole('button').count(), 0, 'one logs out of this one');
    await sessions.getByRole('button', { name: /^End / }).click();
    await there.page.getByText('Your session ended. Log in again.').waitFor();
    await until('one is left', async () => await sessions.count() === 1);
    await here.page.keyboard.press('Escape');
    await here.send('still here');
    await here.sees('still here');
    assert.deepEqual(await there.page.evaluate(() => ({ ...localStorage })), {}, 'nothing stays behind');
  }));

  test('tokens that expire, clocks that are set back, and going away and back', () => on({ CHAT_ACCESS_TTL: '3' }, async (server, tab) => {
    await tab.register('eve');
    await tab.send('before');
    await tab.sees('before');
    let connections = 0;
    tab.page.on('websocket', () => { connections += 1; });
    await tab.page.evaluate(() => {
      const now = Date.now();
      Date.now = () => now - 3_600_000;
    });
    await until('the server closed for the old token, and the page is back', () => connections > 0);
    await tab.connected();
    await tab.send('after');
    await tab.sees('after');
    await tab.page.goto('about:blank');
    await tab.page.goBack();
    await tab.connected();
    await tab.sees('after');
    assert.deepEqual(await tab.texts(), ['before', 'after']);
  }));
});

describe('in a group', { skip: missing }, () => {
  let server;
  let browser;
  let alice;
  let bob;
  let id;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    alice = await browser.register(server, 'alice');
    bob = await server.person('bob');
    ({ conversations: [{ id }] } = await bob.call('GET', '/conversations'));
  });
  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  const say = (person, body, conversation = id) =>
    person.call('POST', `/conversations/${conversation}/messages`, { id: crypto.randomUUID(), body });
  /** Somebody looks elsewhere, or here again. Playwright lets every page believe that it has the focus. */
  const look = ({ page }, isHere) => page.evaluate((here) => {
    document.hasFocus = () => here;
    window.dispatchEvent(new Event(here ? 'focus' : 'blur'));
  }, isHere);
  const badge = ({ page }) => page.locator('#group a').filter({ hasText: '#general' }).locator('.badge');
  const unread = async () => (await alice.server.call(await token(), 'GET', `/conversations/${id}`)).unread;
  /** One session for all that is asked: each log-in is one more, and too many end the page's. */
  let asking;
  const token = async () => (await (asking ??= server.call(null, 'POST', '/auth/login', { username: 'alice', password: PASSWORD }))).access_token;
  /** The text below the line above what is new. */
  const firstNew = ({ page }) => page.locator('.new + .msg .body').textContent();

  test('what comes while nobody looks is unread, until somebody does', async () => {
    await alice.send('my own words');
    await look(alice, false);
    await say(bob, 'first');
    await say(bob, 'second');
    await badge(alice).filter({ hasText: '2' }).waitFor();
    await until('the title tells', async () => (await alice.page.title()).startsWith('• '));
    await say(bob, 'third, @alice');
    await badge(alice).filter({ hasText: '3' }).and(alice.page.locator('.me')).waitFor();
    await until('the title counts what names me', async () => (await alice.page.title()).startsWith('(1) '));
    assert.equal(await firstNew(alice), 'first');
    assert.equal(await unread(), 3);
    await look(alice, true);
    await badge(alice).waitFor({ state: 'detached' });
    await until('the title is calm', async () => /^#general/.test(await alice.page.title()));
    await until('the server knows', async () => await unread() === 0);
    assert.equal(await firstNew(alice), 'first', 'the line stays while one reads');
    await look(alice, false);
    await say(bob, 'fourth');
    await badge(alice).filter({ hasText: '1' }).waitFor();
    assert.equal(await firstNew(alice), 'fourth', 'and goes to where the next absence began');
    await look(alice, true);
    await badge(alice).waitFor({ state: 'detached' });
  });

  test('what comes in sight of somebody is never shown as unread', async () => {
    await alice.page.evaluate(() => {
      window.badges = 0;
      new MutationObserver(() => { window.badges += document.querySelectorAll('.badge').length; }).observe(document.querySelector('#side'), { childList: true, subtree: true });
    });
    for (let n = 0; n < 20; n += 1) await say(bob, `quick ${n}`);
    await alice.sees('quick 19');
    await until('all is read', async () => await unread() === 0);
    assert.equal(await alice.page.evaluate(() => window.badges), 0);
  });

  test('marked unread from a message on, it stays so until it is opened again', async () => {
    await alice.message('quick 7').focus();
    await alice.page.getByRole('toolbar').getByRole('button', { name: 'Unread from here' }).click();
    await badge(alice).waitFor();
    await until('the line stands above it', async () => await firstNew(alice) === 'quick 7');
    await look(alice, true);
    await say(bob, 'one more');
    await alice.sees('one more');
    await badge(alice).filter({ hasText: '1' }).waitFor();
    assert.equal(await firstNew(alice), 'quick 7');
    await alice.write('bob');
    await alice.open('#general');
    await badge(alice).waitFor({ state: 'detached' });
    await until('the server knows', async () => await unread() === 0);
    await alice.message('quick 9').focus();
    await alice.page.keyboard.press('u');
    await badge(alice).waitFor();
    await alice.send('who answers has read it');
    await badge(alice).waitFor({ state: 'detached' });
  });

  test('whoever allowed it is told of what comes while they look elsewhere', async () => {
    await alice.page.evaluate(() => {
      window.notes = [];
      window.Notification = class {
        static permission = 'granted';

        constructor(title, { body }) {
          window.notes.push(`${title}: ${body}`);
          window.note = this;
        }

        close() {
          window.notes.push('closed');
        }
      };
    });
    const notes = () => alice.page.evaluate(() => window.notes);
    await say(bob, 'seen at once, @alice');
    await alice.sees('seen at once, @alice');
    await look(alice, false);
    await say(bob, 'while away, @alice');
    await badge(alice).waitFor();
    assert.deepEqual(await notes(), ['bob, #general: while away, @alice']);
    const set = async (level) => server.call(await token(), 'PUT', `/conversations/${id}/settings`, { level });
    await set('nothing');
    await say(bob, 'in a quiet place, @alice');
    await badge(alice).filter({ hasText: '2' }).waitFor();
    await alice.write('bob');
    await alice.page.evaluate(() => window.note.onclick());
    await alice.shows('#general');
    assert.deepEqual((await notes()).slice(1), ['closed']);
    await set('all');
    await look(alice, true);
    await badge(alice).waitFor({ state: 'detached' });
  });

  test('a quoted message far away is gone to, and history read from there in both directions', async () => {
    const { seq } = await say(bob, 'far 0');
    for (let n = 1; n < 160; n += 1) await say(bob, `far ${n}`);
    await bob.call('POST', `/conversations/${id}/messages`, { id: crypto.randomUUID(), body: 'about the first', reply_to: seq });
    // What is read is told once in a while; a tab with much that is unread would begin there.
    await until('all is read', async () => await unread() === 0);
    const tab = await Tab.open(server, await browser.context(server));
    await tab.login('alice');
    await tab.sees('about the first');
    const first = tab.page.locator('.body', { hasText: /^far 0$/ });
    assert.equal(await first.count(), 0, 'it is not held yet');
    await tab.message('about the first').locator('.quote').filter({ hasText: 'bob: far 0' }).click();
    await first.waitFor();
    const far = async () => (await tab.texts()).filter((text) => text.startsWith('far '));
    await until('the end is there', async () => {
      await tab.page.locator('#log').evaluate((node) => { node.scrollTop = node.scrollHeight; });
      return (await tab.texts()).at(-1) === 'about the first';
    });
    assert.deepEqual(await far(), Array.from({ length: 160 }, (_, n) => `far ${n}`));
    await until('the beginning is there', async () => {
      await tab.page.locator('#log').evaluate((node) => { node.scrollTop = 0; });
      return (await tab.texts())[0] === 'my own words';
    });
    assert.deepEqual(await far(), Array.from({ length: 160 }, (_, n) => `far ${n}`));
    await tab.page.getByRole('button', { name: '↓ Latest' }).click();
    await tab.message('about the first').waitFor();
    await tab.clean(assert);
    await tab.context.close();
  });

  test('an owner makes moderators; a member sees no button for it', async () => {
    await alice.page.getByRole('button', { name: 'Join or create a group' }).click();
    await alice.page.getByLabel('Name', { exact: true }).fill('garden');
    await alice.page.getByRole('button', { name: 'Create', exact: true }).click();
    await alice.shows('#garden');
    const dora = await browser.register(server, 'dora');
    await dora.page.getByRole('button', { name: 'Join or create a group' }).click();
    await dora.page.getByRole('button', { name: 'Join garden' }).click();
    await dora.shows('#garden');
    await bob.call('POST', `/groups/${(await bob.call('GET', '/groups?q=garden')).groups[0].id}/join`);
    // A list that is open does not change by itself.
    await dora.page.locator('.notice').filter({ hasText: 'bob joined' }).waitFor();
    const dialog = dora.page.getByRole('dialog');
    /** Opens a dialog of Dora's, counts in it, and closes it. */
    const counts = async (button, ...locators) => {
      await dora.page.getByRole('button', { name: button, exact: true }).click();
      await dialog.waitFor();
      if (button === 'Members') await dialog.locator('.list li').nth(2).waitFor();
      const found = await Promise.all(locators.map((locator) => locator.count()));
      await dora.page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
      return found;
    };
    const inMembers = () => counts('Members', dialog.getByRole('combobox'), dialog.getByRole('button', { name: /^Remove / }), dialog.getByRole('button', { name: 'Add' }));
    const inAbout = () => counts('About this conversation', dialog.getByRole('button', { name: 'Save' }), dialog.getByRole('button', { name: 'Delete' }));
    assert.deepEqual(await inMembers(), [0, 0, 0]);
    assert.deepEqual(await inAbout(), [0, 0]);
    await alice.page.getByRole('button', { name: 'Members' }).click();
    await alice.page.getByLabel('Role of dora').selectOption('moderator');
    await dora.page.locator('.notice').filter({ hasText: 'alice made dora moderator' }).waitFor();
    await until('she may remove bob, and add others, but change no role', async () => `${await inMembers()}` === '0,1,1');
    assert.deepEqual(await inAbout(), [1, 0]);
    await dora.page.getByRole('button', { name: 'Members' }).click();
    await dora.page.getByRole('button', { name: 'Remove bob' }).click();
    await alice.page.locator('.notice').filter({ hasText: 'dora removed bob' }).waitFor();
    await dora.clean(assert);
    await alice.clean(assert);
  });
});
