// For everybody: small screens, keyboards, screen readers, light and dark.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { Browser, missing, Server, Tab, until } from './harness.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds. It comes through the debugger, which the page's policy does not bind. */
async function audit(tab, what) {
  await tab.page.evaluate(AXE);
  const found = await tab.page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
  });
  assert.deepEqual(found, [], what);
}

/** A page that shows something of everything. */
async function fill(tab, other) {
  await tab.send('hello **there** `code` https://example.org/a\n> quoted\n```\nfn main() {}\n```');
  await other.sees('hello there');
  await other.send('hello @alice, a long word: '.concat('x'.repeat(300)));
  await tab.sees('a long word');
  await tab.message('a long word').focus();
  await tab.page.getByRole('toolbar').getByRole('button', { name: 'React' }).click();
  await tab.page.getByRole('dialog').getByRole('button', { name: '👍' }).click();
  await tab.page.getByRole('button', { name: '👍 1: alice' }).waitFor();
  await tab.message('hello there').focus();
  await tab.page.getByRole('toolbar').getByRole('button', { name: 'Reply' }).click();
  await tab.send('a reply to something long');
  await other.write('alice');
  await other.send('psst');
  await tab.page.locator('#direct .badge').waitFor({ state: 'attached' });
}

describe('for everybody', { skip: missing }, () => {
  let server;
  let browser;
  let alice;
  let bob;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    alice = await browser.register(server, 'alice');
    bob = await browser.register(server, 'bob');
    await fill(alice, bob);
  });
  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`axe-core finds nothing, ${colorScheme}`, async () => {
      await alice.page.emulateMedia({ colorScheme });
      await audit(alice, 'conversation');
      for (const name of ['alice', 'Join or create a group', 'Write to somebody', 'Members', 'About this conversation']) {
        await alice.page.getByRole('button', { name, exact: true }).click();
        await alice.page.getByRole('dialog').waitFor();
        await audit(alice, name);
        await alice.page.keyboard.press('Escape');
        await alice.page.getByRole('dialog').waitFor({ state: 'detached' });
      }
      await alice.message('a long word').focus();
      await audit(alice, 'tools');
      const door = await Tab.open(server, await browser.context(server, { colorScheme }));
      await door.page.getByLabel('Username').waitFor();
      await audit(door, 'the door');
      await door.context.close();
    });
  }

  test('a screen reader is told what there is', async () => {
    const snapshot = (await alice.page.locator('body').ariaSnapshot()).replace(/\d\d:\d\d/g, 'TIME');
    for (const expected of ['navigation "Conversations"', 'button "alice"', 'heading "Groups" [level=2]', 'link "#general"',
      'link /online bob 1 unread|bob 1 unread/', 'main:', 'heading "#general" [level=1]', 'log "Messages"', 'article:', 'button "👍 1: alice"',
      'textbox "Message"', 'button "Send"', 'status']) {
      const found = expected.includes('|') ? /link ".*bob 1 unread"/.test(snapshot) : snapshot.includes(expected);
      assert.ok(found, `${expected}\n${snapshot}`);
    }
  });

  for (const width of [320, 390]) {
    test(`${width} pixels are enough`, async () => {
      const tab = await Tab.open(server, await browser.context(server, { viewport: { width, height: 640 }, hasTouch: true, isMobile: true }));
      const fits = async (what) => {
        const over = await tab.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${what}: ${over} pixels too wide`);
        const small = await tab.page.evaluate(() => [...document.querySelectorAll('button, input, select, textarea, nav a')]
          .filter((node) => node.checkVisibility()).map((node) => [node.outerHTML, node.getBoundingClientRect()])
          .filter(([, { width: w, height }]) => w < 44 || height < 44).map(([html]) => html));
        assert.deepEqual(small, [], `${what}: targets under 44 pixels`);
      };
      await tab.page.getByLabel('Username').waitFor();
      await fits('door');
      await tab.login('alice');
      await tab.page.locator('nav a').filter({ hasText: '#general' }).waitFor();
      await fits('list');
      await tab.open('#general');
      await tab.sees('hello there');
      await fits('conversation');
      await tab.message('a long word').tap();
      await tab.page.getByRole('toolbar').waitFor();
      await fits('tools');
      for (const name of ['Members', 'About this conversation']) {
        await tab.page.getByRole('button', { name }).tap();
        await tab.page.getByRole('dialog').waitFor();
        await fits(name);
        await tab.page.getByRole('button', { name: 'Close' }).tap();
      }
      await tab.input.fill(`from ${width}`);
      await tab.page.getByRole('button', { name: 'Send' }).tap();
      await tab.sees(`from ${width}`);
      await tab.page.getByRole('button', { name: 'Back to the conversations' }).tap();
      await tab.page.locator('#account').tap();
      await tab.page.getByRole('dialog').waitFor();
      await fits('account');
      await tab.clean(assert);
      await tab.context.close();
    });
  }

  test('the keyboard alone is enough', async () => {
    const tab = await Tab.open(server, await browser.context(server));
    const { page } = tab;
    const { keyboard } = page;
    /** Tab until this has the focus; what has it must be seen to have it. */
    const reach = async (locator, key = 'Tab') => {
      await until(`the focus reaches ${locator}`, async () => {
        await keyboard.press(key);
        const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        if (document_body !== await page.evaluate(() => document.activeElement.tagName)) assert.notEqual(outline, 'none');
        return locator.evaluate((node) => node === document.activeElement).catch(() => false);
      });
    };
    const document_body = 'BODY';
    await reach(page.getByLabel('Username'));
    await keyboard.type('bob');
    await keyboard.press('Tab');
    await keyboard.type('correct horse battery');
    await keyboard.press('Enter');
    await tab.connected();
    await tab.shows('#general');
    await reach(page.locator('#input'));
    await keyboard.type('typed');
    await keyboard.press('Enter');
    await tab.sees('typed');
    await reach(page.locator('#log'), 'Shift+Tab');
    await keyboard.press('ArrowUp');
    assert.ok(await tab.message('typed').evaluate((node) => node === document.activeElement));
    await keyboard.press('e');
    await keyboard.press('End');
    await keyboard.type(' and edited');
    await keyboard.press('Enter');
    await tab.sees('typed and edited');
    await page.locator('#context').waitFor({ state: 'hidden' });
    await keyboard.press('ArrowUp');
    assert.equal(await tab.input.inputValue(), 'typed and edited');
    await keyboard.press('Escape');
    assert.equal(await tab.input.inputValue(), '');
    await keyboard.press('Control+k');
    await keyboard.type('alic');
    await keyboard.press('Enter');
    await tab.shows('alice');
    await keyboard.press('Alt+ArrowUp');
    await tab.shows('#general');
    await reach(page.getByRole('button', { name: 'Members' }));
    await keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.ok(await page.getByRole('button', { name: 'Members' }).evaluate((node) => node === document.activeElement));
    await tab.clean(assert);
    await tab.context.close();
  });

  test('nothing was complained about', async () => {
    await alice.clean(assert);
    await bob.clean(assert);
  });
});
