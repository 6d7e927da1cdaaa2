// The modules that know no browser, against the frames of shared/tests/golden: the files that the server's
// and the terminal client's tests read as well.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { afterClose, backoff, frames, uuid } from '../frames.js';
import { Outbox } from '../outbox.js';
import { Conversation, disturbs, Store } from '../store.js';
import { Sync } from '../sync.js';
import { address, line, parse, visible } from '../text.js';

const text = (name) => readFileSync(new URL(`../../shared/tests/golden/${name}.json`, import.meta.url), 'utf8').trim();
const golden = (name) => JSON.parse(text(name));
const settled = () => new Promise((resolve) => { setImmediate(resolve); });

describe('what the page sends', () => {
  const id = '0198c1a2-7e3b-7c44-9d1f-2a51c9f0e8b7';
  const table = {
    send: frames.send(id, 1, 'hello'),
    send_reply: frames.send(id, 1, 'hello', 2),
    read: frames.read(1, 3),
    typing: frames.typing(1),
    auth: frames.auth('renew', 'eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln'),
    ping_without_id: frames.ping(),
  };
  for (const [name, frame] of Object.entries(table)) {
    test(`${name} is as in the golden file`, () => assert.equal(JSON.stringify(frame), text(`client.${name}`)));
  }
});

/** A store that took the golden `ready`, with an API that answers from a table. */
function scene(answers = {}) {
  const seen = [];
  const asked = [];
  const api = {
    call: async (method, path) => {
      asked.push(path);
      const found = Object.entries(answers).find(([begin]) => path.startsWith(begin));
      if (!found) throw Object.assign(new Error('no'), { status: 404 });
      return typeof found[1] === 'function' ? found[1](path) : structuredClone(found[1]);
    },
  };
  const store = new Store();
  const note = (name) => (...args) => seen.push([name, ...args.map((arg) => arg?.id ?? arg)]);
  const sync = new Sync({ api, store, me: { username: 'alice' }, changed: () => {}, message: note('message'), outbox: { fail: note('gone') }, socket: { again: note('again') } });
  sync.take(golden('server.ready'));
  return { store, sync, asked, seen, general: store.conversations.get(1) };
}

const message = (seq, rev = seq, more = {}) => ({
  type: 'message', conversation_id: 1, rev,
  message: { ...golden('server.message').message, seq, rev, body: `m${seq}`, mentions: [], reply_to: undefined, sender: { id: 2, username: 'bob', display_name: 'bob' }, ...more },
});

describe('what the page receives', () => {
  const kinds = ['ack', 'auth_ok', 'conversation', 'conversation_removed', 'error', 'error_without_id', 'message', 'message_deleted',
    'notice_added', 'notice_created', 'notice_joined', 'notice_left', 'notice_removed', 'notice_renamed', 'notice_role', 'notice_topic',
    'notice_visibility', 'pong', 'presence', 'read', 'ready', 'resync', 'resync_all', 'typing'];
  for (const kind of kinds) {
    test(`${kind} of the golden files is taken`, async () => {
      const { sync } = scene();
      sync.take(golden(`server.${kind}`));
      await settled();
    });
  }

  test('ready fills the store', () => {
    const { store, general } = scene();
    assert.equal(store.me.username, 'alice');
    assert.deepEqual([...store.online], ['alice', 'bob']);
    assert.equal(general.title, '#general');
    assert.equal(store.conversations.get(2).title, 'bob');
    assert.equal(general.cursor, 5);
  });

  test('notices change the description', () => {
    const { general } = scene();
    const { message: notice } = golden('server.notice_topic');
    assert.equal(general.count({ ...notice, rev: 6, seq: 6 }, 'alice'), true, 'the server is asked');
  });

  test('presence, read cursors and removal', () => {
    const { store, sync, seen } = scene();
    sync.take(golden('server.presence'));
    assert.deepEqual([...store.online], ['alice', 'carol']);
    sync.take(golden('server.read'));
    assert.equal(store.conversations.get(1).info.unread, 0);
    sync.take(golden('server.conversation_removed'));
    assert.equal(store.conversations.has(2), false);
    assert.deepEqual(seen.at(-1).slice(0, 2), ['gone', 2]);
    sync.take(golden('server.conversation'));
    assert.equal(store.conversations.get(2).info.peer.username, 'bob');
  });

  test('texts of others count once, mine and notices do not', () => {
    const { general, sync } = scene();
    sync.take(message(6));
    sync.take(message(6));
    sync.take(message(7, 7, { mentions: ['alice'] }));
    sync.take(message(8, 8, { sender: { id: 1, username: 'alice' } }));
    assert.deepEqual([general.info.unread, general.info.mentions, general.cursor], [3, 1, 8]);
  });

  test('a hole in the revs is filled before what came after it', async () => {
    const page = { messages: [message(3, 5).message], has_before: false, has_after: false, head_rev: 5, epoch: 'uQXCd3UjGWXqBAxf' };
    const missing = (...seqs) => ({ messages: seqs.map((seq) => message(seq).message), head_rev: seqs.at(-1), has_more: false, unread: seqs.at(-1) - 4, mentions: 0 });
    const { general, sync, asked } = scene({
      '/conversations/1/messages': page,
      '/conversations/1/changes?limit=200&since=5': missing(6, 7, 8),
      '/conversations/1/changes?limit=200&since=8': missing(9),
    });
    await sync.load(general, {});
    sync.take(message(8));
    sync.take(message(9));
    await settled();
    assert.deepEqual(general.shown().map(({ seq }) => seq), [3, 6, 7, 8, 9]);
    assert.deepEqual([general.cursor, general.info.unread], [9, 5]);
    assert.equal(asked.filter((path) => path.includes('changes')).length, 2, 'until nothing is missing');
  });

  test('another epoch drops the cache', () => {
    const { store, sync, general } = scene();
    general.addPage({ messages: [message(3).message], has_before: false, has_after: false, head_rev: 5 }, {});
    sync.take({ ...golden('server.ready'), epoch: 'other' });
    assert.equal(store.conversations.get(1).isLoaded, false);
  });

  test('a rev from the future means a restored database, too', () => {
    const { store, sync, general } = scene();
    sync.take(message(6));
    sync.take(golden('server.ready'));
    assert.notEqual(store.conversations.get(1), general);
  });

  test('far behind, the newest page takes the place of what was held', async () => {
    const epoch = 'uQXCd3UjGWXqBAxf';
    const newest = { messages: [message(2000).message, message(2001).message], has_before: true, has_after: false, head_rev: 2001, epoch };
    const { general, sync, store, asked } = scene({
      '/conversations/1/messages': newest,
      '/conversations/1/changes': { messages: [message(6).message], head_rev: 2001, has_more: true, unread: 999, mentions: 1 },
    });
    general.addPage({ messages: [message(2).message, message(3).message], has_before: false, has_after: false, head_rev: 5 }, {});
    const ready = golden('server.ready');
    ready.conversations[0].head_rev = 2001;
    sync.take(ready);
    await settled();
    assert.equal(store.conversations.get(1), general);
    assert.deepEqual(general.shown().map(({ seq }) => seq), [2000, 2001]);
    assert.deepEqual([general.from, general.cursor, general.info.unread, asked.length], [2000, 2001, 999, 2]);
  });

  test('an answer from before the present connection is asked for again', async () => {
    const answers = [];
    const { general, sync, asked } = scene({
      '/conversations/1/changes': () => new Promise((resolve) => { answers.push(resolve); }),
    });
    general.addPage({ messages: [message(3).message], has_before: false, has_after: false, head_rev: 5 }, {});
    sync.take({ type: 'resync', conversation_id: 1 });
    sync.take(golden('server.ready'));
    answers[0]({ messages: [], head_rev: 5, has_more: false, unread: 77, mentions: 7 });
    await settled();
    assert.equal(asked.length, 2);
    answers[1]({ messages: [], head_rev: 5, has_more: false, unread: 1, mentions: 0 });
    await settled();
    assert.deepEqual([general.info.unread, general.isBehind], [1, false]);
  });
});

describe('history', () => {
  const conversation = () => new Conversation(golden('server.ready').conversations[0]);
  const page = (seqs, has_before, has_after) => ({ messages: seqs.map((seq) => message(seq).message), has_before, has_after, head_rev: 20 });
  const shown = (one) => [one.from, ...one.shown().map(({ seq }) => seq), one.to];

  test('a page continues what is held, or takes its place', () => {
    const one = conversation();
    one.addPage(page([9, 10], true, false), {});
    assert.deepEqual(shown(one), [9, 9, 10, Infinity]);
    one.addPage(page([6, 7], true, true), { before: 9 });
    assert.deepEqual(shown(one), [6, 6, 7, 9, 10, Infinity]);
    one.addPage(page([3, 4], true, true), { around: 3 });
    assert.deepEqual(shown(one), [3, 3, 4, 4]);
    one.addPage(page([1, 2], false, true), { before: 6 });
    assert.deepEqual(shown(one), [3, 3, 4, 4], 'asked for before another page came');
    one.addPage(page([1, 2], false, true), { before: 3 });
    one.addPage(page([5, 6], true, false), { after: 4 });
    assert.deepEqual(shown(one), [0, 1, 2, 3, 4, 5, 6, Infinity]);
  });

  test('a live message beyond what is held waits until its page comes', () => {
    const one = conversation();
    one.addPage(page([5, 6], true, true), { around: 5 });
    one.apply({ seq: 8, rev: 9, body: 'edited' });
    assert.deepEqual(shown(one), [5, 5, 6, 6]);
    assert.equal(one.isAtEnd, false);
    one.addPage(page([7, 8], true, false), { after: 6 });
    assert.deepEqual(shown(one), [5, 5, 6, 7, 8, Infinity]);
    assert.equal(one.messages.get(8).body, 'edited');
  });

  test('nothing is held of an empty conversation', () => {
    const one = conversation();
    assert.equal(one.isLoaded, false);
    one.addPage(page([], false, false), {});
    assert.deepEqual(shown(one), [0, Infinity]);
    assert.equal(one.isLoaded, true);
  });

  test('the newer state of a message wins, in any order', () => {
    const one = conversation();
    one.apply({ seq: 3, rev: 8, body: 'new' });
    one.apply({ seq: 3, rev: 3, body: 'old' });
    assert.equal(one.messages.get(3).body, 'new');
  });
});

describe('sending', () => {
  const scene = () => {
    const kept = {};
    const sent = [];
    const line = { isOpen: true };
    const socket = { send: (frame) => line.isOpen && sent.push(frame) > 0 };
    const outbox = new Outbox({ socket, me: { id: 1 }, changed: () => {} }, kept);
    return { outbox, sent, line, kept };
  };

  test('one at a time, in order, and once', () => {
    const { outbox, sent } = scene();
    outbox.add(1, 'a');
    outbox.add(1, 'b');
    outbox.add(2, 'c');
    assert.deepEqual(sent.map(({ body }) => body), ['a', 'c']);
    outbox.done(sent[0].id);
    assert.deepEqual(sent.map(({ body }) => body), ['a', 'c', 'b']);
    outbox.done(sent[0].id);
    assert.equal(outbox.of(1).length, 1);
  });

  test('what another tab took out holds nothing up', () => {
    const { outbox, sent, kept } = scene();
    outbox.add(1, 'a');
    outbox.add(1, 'b');
    delete kept[`chat.outbox.1.${sent[0].id}`];
    outbox.done(sent[0].id);
    assert.deepEqual(sent.map(({ body }) => body), ['a', 'b']);
  });

  test('after a lost connection under the same id', () => {
    const { outbox, sent, line } = scene();
    line.isOpen = false;
    outbox.add(1, 'a');
    line.isOpen = true;
    outbox.again();
    outbox.again();
    assert.equal(new Set(sent.map(({ id }) => id)).size, 1);
  });

  test('a refusal keeps the text, and another try its id', () => {
    const { outbox, sent } = scene();
    outbox.add(1, 'a');
    assert.ok(outbox.refused({ id: sent[0].id, code: 'forbidden', detail: 'no' }));
    assert.deepEqual(outbox.of(1).map(({ body, error }) => [body, error]), [['a', 'no']]);
    outbox.retry(outbox.of(1)[0]);
    assert.equal(sent[1].id, sent[0].id);
    assert.ok(!outbox.refused({ id: 'other', code: 'forbidden' }));
  });

  test('drafts are kept, and clear leaves nothing', () => {
    const { outbox, kept } = scene();
    outbox.note(1, 'half a');
    outbox.add(1, 'a');
    assert.equal(outbox.draft(1), 'half a');
    outbox.clear();
    assert.deepEqual(kept, {});
  });

  test('ids sort by time and are of version 7', () => {
    const ids = Array.from({ length: 5000 }, uuid);
    assert.deepEqual(ids, [...ids].sort());
    assert.equal(new Set(ids).size, 5000);
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

describe('connections', () => {
  test('close codes say what to do', () => {
    for (const code of [1000, 1001, 1006, 4001, 4008, 4010, 4099]) assert.equal(afterClose(code, '').go, true, code);
    for (const code of [1002, 1003, 1007, 1009, 4500, 4501, 4503, 4504, 4599]) assert.equal(afterClose(code, '').go, false, code);
    assert.equal(afterClose(1012, 'retry_after_ms=4321').wait, 4321);
    assert.equal(afterClose(1012, 'retry_after_ms=99999999').wait, 60_000);
    assert.equal(afterClose(4001).renew, true);
    assert.equal(afterClose(4500).ended, true);
    assert.equal(afterClose(4503).ended, false);
  });

  test('waiting doubles, up to half a minute, and half of it is chance', () => {
    assert.deepEqual([0, 1, 2, 20].map((attempt) => backoff(attempt, 1)), [500, 1000, 2000, 30_000]);
    assert.deepEqual([0, 20].map((attempt) => backoff(attempt, 0)), [250, 15_000]);
  });

  test('what disturbs', () => {
    const info = { level: 'all' };
    const text = message(6).message;
    assert.equal(disturbs(info, text, 'alice'), true);
    assert.equal(disturbs(info, text, 'bob'), false);
    assert.equal(disturbs({ level: 'mentions' }, text, 'alice'), false);
    assert.equal(disturbs({ level: 'mentions' }, { ...text, mentions: ['alice'] }, 'alice'), true);
    assert.equal(disturbs({ level: 'all', muted_until: Date.now() + 1000 }, text, 'alice'), false);
    assert.equal(disturbs(info, { ...text, rev: 9 }, 'alice'), false);
  });
});

describe('text', () => {
  const LEAVES = ['pre', 'code', 'a', 'span'];
  const flat = (tree) => tree.map((node) => {
    const { tag = '', nodes, href } = node;
    return [tag, tag ? (LEAVES.includes(tag) ? nodes[0] : flat(nodes)) : node, ...(href ? [href] : [])];
  });

  test('what cannot be seen is written out', () => {
    assert.equal(visible('a\u202Eb\u200Bc\u0007'), 'a⟨U+202E⟩b⟨U+200B⟩c⟨U+0007⟩');
    assert.equal(visible('a\u{E0041}\uFE0Fb'), 'a⟨U+E0041⟩⟨U+FE0F⟩b');
    assert.equal(visible('two\nlines\tand 👩‍👩‍👧 ❤️ 🏳️‍🌈 1️⃣ 👩🏽‍💻'), 'two\nlines\tand 👩‍👩‍👧 ❤️ 🏳️‍🌈 1️⃣ 👩🏽‍💻');
    assert.equal(visible(`a${'\u0301'.repeat(500)}`), `a${'\u0301'.repeat(8)}`);
    assert.equal(line(' a\n\tb '), 'a b');
    assert.equal(visible(undefined), '');
  });

  test('a little Markdown', () => {
    const table = [
      ['plain', [['', 'plain']]],
      ['a **b** *c* _d_ `e`', [['', 'a '], ['strong', [['', 'b']]], ['', ' '], ['em', [['', 'c']]], ['', ' '], ['em', [['', 'd']]], ['', ' '], ['code', 'e']]],
      ['2*3*4 snake_case_name **', [['', '2*3*4 snake_case_name **']]],
      ['```rust\nlet a = *b*;\n```\nafter', [['pre', 'let a = *b*;'], ['', 'after']]],
      ['> said\nanswer', [['blockquote', [['', 'said']]], ['', 'answer']]],
      ['`**no**`', [['code', '**no**']]],
    ];
    for (const [body, expected] of table) assert.deepEqual(flat(parse(body)), expected, body);
  });

  test('links are http and https only, and end where the sentence does', () => {
    assert.deepEqual(flat(parse('see https://a.example/b?c=d.')), [['', 'see '], ['a', 'https://a.example/b?c=d', 'https://a.example/b?c=d'], ['', '.']]);
    assert.deepEqual(flat(parse('(http://a.example)')), [['', '('], ['a', 'http://a.example', 'http://a.example/'], ['', ')']]);
    for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'ftp://a.example', 'https://', 'https:///']) {
      assert.equal(parse(bad).some(({ href }) => href && !/^https?:\/\/[^/]/.test(href)), false, bad);
    }
    assert.equal(address('javascript:alert(1)'), null);
    assert.equal(address('https://a.example'), 'https://a.example/');
  });

  test('mentions are of those who are mentioned', () => {
    assert.deepEqual(flat(parse('@bob and @nobody', ['bob'])), [['span', '@bob'], ['', ' and @nobody']]);
    assert.deepEqual(flat(parse('mail@bob.example', ['bob'])), [['', 'mail@bob.example']]);
  });

  test('no text takes long', () => {
    const begin = performance.now();
    for (const piece of ['*', '**a ', '`', '```\n', '```a\n', '_a ', '> ', '@a', 'https://', '\u0301', '\u200D', '> **', '(((']) {
      parse(piece.repeat(16384 / piece.length));
    }
    assert.ok(performance.now() - begin < 5000, `${performance.now() - begin} ms`);
  });
});
