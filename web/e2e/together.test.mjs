// Two pages and a terminal client talk, through a restart of the server and of everything else.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser, missing, Server, Tab, until } from './harness.mjs';
import { missing as noTerminal, Terminal } from './terminal.mjs';

/** What is said, in the group and in private. */
const SAID = /\b(?:group|quiet) \d+ of (?:ann|bob|cara)\b/g;

describe('two pages and a terminal client', { skip: missing || noTerminal }, () => {
  let server;
  let browser;
  let ann;
  let bob;
  let cara;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    ann = await browser.register(server, 'ann');
    bob = await browser.register(server, 'bob');
    cara = await Terminal.register(server, 'cara');
  });
  after(async () => {
    cara?.stop();
    await browser?.stop();
    await server?.stop();
  });

  const said = async (who) => (who === cara ? cara.texts(SAID) : (await who.texts()).filter((text) => text.match(SAID)));
  /** Everyone here has all of this, once and in the same order, which is told. */
  const agree = async (everyone, wanted) => {
    for (const who of everyone) for (const text of wanted) await who.sees(text);
    await until('nothing is on its way', async () => (await Promise.all([ann, bob].map(({ page }) => page.locator('.pending').count()))).every((n) => n === 0));
    const first = await said(everyone[0]);
    assert.deepEqual([...first].sort(), [...wanted].sort());
    for (const who of everyone.slice(1)) await until('all have the same order', async () => `${await said(who)}` === `${first}`);
    return first;
  };
  const inGroup = async () => {
    for (const who of [ann, bob, cara]) await who.open('#general');
  };
  const inPrivate = async () => {
    await ann.open('cara');
    await cara.open('@ann');
  };
  const group = [];
  const quiet = [];

  test('talk in a group and in private', async () => {
    await inGroup();
    for (const [who, name] of [[ann, 'ann'], [bob, 'bob'], [cara, 'cara'], [ann, 'ann']]) {
      group.push(`group ${group.length} of ${name}`);
      await who.send(group.at(-1));
      for (const other of [ann, bob, cara]) await other.sees(group.at(-1));
    }
    assert.deepEqual(await agree([ann, bob, cara], group), group);
    await ann.write('cara');
    await ann.send('quiet 0 of ann');
    await cara.open('@ann');
    await cara.sees('quiet 0 of ann');
    await cara.send('quiet 1 of cara');
    quiet.push('quiet 0 of ann', 'quiet 1 of cara');
    assert.deepEqual(await agree([ann, cara], quiet), quiet);
    assert.equal(await bob.page.locator('#direct li').count(), 0, 'what is private stays so');
  });

  test('go on through a restart of the server', async () => {
    await inGroup();
    await server.down();
    for (const { page } of [ann, bob]) await page.locator('#bar.waiting').waitFor();
    await cara.offline();
    for (const [who, name] of [[ann, 'ann'], [bob, 'bob'], [cara, 'cara']]) {
      const text = `group ${group.length} of ${name}`;
      group.push(text);
      await who.send(text);
    }
    await server.up();
    for (const tab of [ann, bob]) await tab.connected();
    await cara.online();
    const order = await agree([ann, bob, cara], group);
    assert.deepEqual(order.slice(0, 4), group.slice(0, 4), 'what was said before stands before');
    group.splice(0, group.length, ...order);
    await inPrivate();
    await cara.send('quiet 2 of cara');
    quiet.push('quiet 2 of cara');
    assert.deepEqual(await agree([ann, cara], quiet), quiet);
  });

  test('find everything again, once and in the same order, when all is opened anew', async () => {
    const errors = [ann, bob].flatMap((tab) => tab.errors);
    assert.deepEqual(errors.filter((error) => !/ERR_CONNECTION|WebSocket|503/.test(error)), []);
    for (const tab of [ann, bob]) await tab.page.close();
    await cara.close();
    await server.down();
    await server.up();
    ann = await Tab.open(server, ann.context);
    bob = await Tab.open(server, bob.context);
    for (const tab of [ann, bob]) await tab.connected();
    await cara.start();
    await inGroup();
    assert.deepEqual(await agree([ann, bob, cara], group), group);
    await inPrivate();
    assert.deepEqual(await agree([ann, cara], quiet), quiet);
    for (const tab of [ann, bob]) await tab.clean(assert);
  });
});
