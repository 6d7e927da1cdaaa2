// Pictures of the page for the documentation: `scripts/screenshots`.
import { Browser, Server } from './harness.mjs';

const DOCS = new URL('../../docs/', import.meta.url).pathname;
const server = await Server.start();
const browser = await Browser.start();
try {
  const alice = await browser.register(server, 'alice');
  const bob = await server.person('bob');
  const carol = await server.person('carol');
  const [{ id }] = (await bob.call('GET', '/conversations')).conversations;
  const say = (person, body, more) => person.call('POST', `/conversations/${id}/messages`, { id: crypto.randomUUID(), body, ...more });
  await say(bob, 'Nice: our own chat, **on our own machine**.');
  const { seq } = await say(carol, 'The deploy script:\n```\nchat-server backup /var/backups/chat.db\nsystemctl restart chat-server\n```\nDocs: https://chat.example.org/docs/backup');
  await bob.call('PUT', `/conversations/${id}/messages/${seq}/reactions/${encodeURIComponent('👍')}`);
  await alice.send('Looks right to me.');
  await say(bob, '> be kind\nAlways. @alice can you look at it when you have a minute?', { reply_to: seq });
  await alice.sees('when you have a minute');
  const direct = await carol.call('POST', '/directs', { username: 'alice' });
  await carol.call('POST', `/conversations/${direct.id}/messages`, { id: crypto.randomUUID(), body: 'lunch?' });
  await alice.page.locator('#direct .badge').waitFor({ state: 'attached' });
  await alice.page.screenshot({ path: `${DOCS}page-desktop.png` });
  await alice.page.emulateMedia({ colorScheme: 'dark' });
  await alice.page.screenshot({ path: `${DOCS}page-dark.png` });
  await alice.page.emulateMedia({ colorScheme: 'light' });
  await alice.page.setViewportSize({ width: 390, height: 760 });
  await alice.page.screenshot({ path: `${DOCS}page-phone.png` });
} finally {
  await browser.stop();
  await server.stop();
}
