//! Damaged, foreign and full files, and what is held of a history after all that can happen to it.

use super::*;
use crate::client::Pending;
use crate::home::Home;
use chat_shared::api::Message;
use chat_shared::{SendId, Seq};
use proptest::prelude::*;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use uuid::Uuid;

fn seq(seq: i64) -> Seq {
    Seq::new(seq).unwrap()
}

fn rev(rev: i64) -> Rev {
    Rev::new(rev).unwrap()
}

fn id(id: i64) -> ConversationId {
    ConversationId::new(id).unwrap()
}

fn conversation(id: i64) -> Conversation {
    let room = json!({
        "id": id, "kind": "group", "name": format!("room-{id}"), "topic": "", "visibility": "public",
        "role": "member", "member_count": 2, "head_rev": 0, "last_seq": 0, "read_seq": 0, "unread": 0,
        "mentions": 0, "level": "all", "marked_unread": false
    });
    serde_json::from_value(room).unwrap()
}

fn message(id: i64, seq: i64, rev: i64) -> Message {
    let message = json!({
        "conversation_id": id, "seq": seq, "rev": rev, "kind": "text", "sent_at": 0,
        "body": format!("text {seq} at {rev}"),
        "sender": {"id": 2, "username": "bob", "display_name": "Bob"}
    });
    serde_json::from_value(message).unwrap()
}

fn messages(id: i64, seqs: std::ops::RangeInclusive<i64>) -> Vec<Message> {
    seqs.map(|seq| message(id, seq, seq)).collect()
}

fn span(id: i64, seqs: std::ops::RangeInclusive<i64>) -> Span {
    Span { from: seq(*seqs.start()), to: seq(*seqs.end()), messages: messages(id, seqs) }
}

fn pending(n: u128, conversation: i64, body: &str) -> Pending {
    Pending {
        id: SendId::from_uuid(Uuid::from_u128(n)),
        conversation: id(conversation),
        body: body.to_owned(),
        reply_to: None,
        edits: None,
        entered_at: 0,
        failed: None,
    }
}

fn draft(text: &str) -> Draft {
    Draft { text: text.to_owned(), reply_to: Some(seq(3)), editing: None }
}

fn bodies(stored: &Stored) -> Vec<&str> {
    stored.outbox.iter().map(|pending| pending.body.as_str()).collect()
}

fn seqs(span: Option<Span>) -> Vec<i64> {
    span.into_iter().flat_map(|span| span.messages).map(|message| message.seq.get()).collect()
}

fn home() -> (TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    (dir, home)
}

fn open(home: &Home) -> Opened {
    Cache::open(home, "http://127.0.0.1:1", "alice").unwrap()
}

fn file(home: &Home) -> PathBuf {
    home.file("cache-http%3a%2f%2f127.0.0.1%3a1-alice.db")
}

/// What was moved aside.
fn aside(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut aside: Vec<PathBuf> = all
        .filter(|path| path.extension().is_some_and(|e| e.to_string_lossy().contains("damaged")))
        .collect();
    aside.sort();
    aside
}

/// A cache with what a user would miss, and with a long history.
fn filled(home: &Home) {
    let mut cache = open(home).cache;
    cache.reset("e").unwrap();
    cache.begin_anew([(&conversation(1), Rev::MIN)]).unwrap();
    for (n, body) in [(1, "first"), (2, "second"), (3, "third")] {
        cache.keep_pending(&pending(n, 1, body)).unwrap();
    }
    cache.keep_draft(id(1), &draft("half a sentence")).unwrap();
    cache.keep_draft(id(2), &draft("another")).unwrap();
    cache.keep_line(id(1), "an earlier line").unwrap();
    cache.keep_setting("open", "#lab").unwrap();
    cache.keep_changes(&conversation(1), &messages(1, 1..=900), Rev::MIN, rev(900)).unwrap();
}

#[test]
fn garbage_is_put_aside_and_told() {
    let (dir, home) = home();
    let garbage = b"this is not a database".repeat(1_000);
    fs::write(file(&home), &garbage).unwrap();
    let mut opened = open(&home);
    let [notice] = &opened.notices[..] else { panic!("{:?}", opened.notices) };
    assert!(notice.contains("was damaged") && notice.contains("could not be read"), "{notice}");
    let [moved] = &aside(dir.path())[..] else { panic!("{:?}", aside(dir.path())) };
    assert!(notice.contains(moved.to_str().unwrap()), "{notice}");
    assert!(fs::read(moved).unwrap() == garbage);
    // The new one is used, and the next start finds it.
    assert!(opened.cache.is_kept());
    opened.cache.keep_pending(&pending(1, 1, "kept")).unwrap();
    drop(opened);
    let opened = open(&home);
    assert!(opened.notices.is_empty(), "{:?}", opened.notices);
    assert_eq!(bodies(&opened.cache.stored().unwrap()), ["kept"]);
}

#[test]
fn what_was_written_is_saved_from_a_file_that_is_cut_off() {
    let (dir, home) = home();
    filled(&home);
    let whole = fs::read(file(&home)).unwrap();
    fs::write(file(&home), &whole[..whole.len() * 2 / 3]).unwrap();
    for start in 0..2 {
        let opened = open(&home);
        let stored = opened.cache.stored().unwrap();
        assert!(opened.cache.is_kept());
        assert_eq!(bodies(&stored), ["first", "second", "third"]);
        assert_eq!(stored.drafts, [(id(1), draft("half a sentence")), (id(2), draft("another"))]);
        assert_eq!(stored.entered, [(id(1), vec!["an earlier line".to_owned()])]);
        assert_eq!(stored.settings, [("open".to_owned(), "#lab".to_owned())]);
        // What the server has is read anew.
        assert!(stored.conversations.is_empty() && stored.epoch.is_none());
        if start == 0 {
            let [notice] = &opened.notices[..] else { panic!("{:?}", opened.notices) };
            assert!(notice.contains("3 messages that wait to be sent"), "{notice}");
            assert!(notice.contains("2 unfinished texts"), "{notice}");
        } else {
            assert!(opened.notices.is_empty(), "{:?}", opened.notices);
        }
    }
    let moved = aside(dir.path());
    assert_eq!(moved.iter().filter(|path| !path.to_string_lossy().ends_with("-wal")).count(), 1, "{moved:?}");
}

#[test]
fn one_row_that_cannot_be_read_takes_no_other_with_it() {
    let (_dir, home) = home();
    filled(&home);
    let db = Connection::open(file(&home)).unwrap();
    db.execute("UPDATE outbox SET id = x'00' WHERE body = 'second'", []).unwrap();
    db.execute("UPDATE drafts SET conversation = -7 WHERE text = 'another'", []).unwrap();
    drop(db);
    let opened = open(&home);
    let stored = opened.cache.stored().unwrap();
    assert_eq!(bodies(&stored), ["first", "third"]);
    assert_eq!(stored.drafts, [(id(1), draft("half a sentence"))]);
    let notice = opened.notices.join("\n");
    assert!(notice.contains("some could not be read"), "{notice}");
}

#[test]
fn damage_that_shows_only_later_is_mended_at_the_next_start() {
    let (dir, home) = home();
    filled(&home);
    let db = Connection::open(file(&home)).unwrap();
    let page: isize = db
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'messages'", [], |row| row.get(0))
        .unwrap();
    let size: isize = db.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    drop(db);
    let mut bytes = fs::read(file(&home)).unwrap();
    let at = |page: isize| usize::try_from(page * size).unwrap();
    bytes[at(page - 1)..at(page)].fill(0xAA);
    fs::write(file(&home), bytes).unwrap();

    let mut opened = open(&home);
    assert!(opened.notices.is_empty(), "{:?}", opened.notices);
    let error = opened.cache.keep_span(id(1), &span(1, 1..=3)).unwrap_err();
    assert!(is_damage(&error), "{error}");
    opened.cache.condemn();
    // What is written until the end is saved as well, if it can be.
    opened.cache.keep_pending(&pending(4, 1, "fourth")).unwrap();
    drop(opened);
    let opened = open(&home);
    assert_eq!(opened.notices.len(), 1, "{:?}", opened.notices);
    let stored = opened.cache.stored().unwrap();
    assert_eq!(bodies(&stored), ["first", "second", "third", "fourth"]);
    assert_eq!(stored.drafts.len(), 1);
    assert!(!aside(dir.path()).is_empty());
}

#[test]
fn a_file_of_a_newer_version_is_left_as_it_is() {
    let (dir, home) = home();
    filled(&home);
    let db = Connection::open(file(&home)).unwrap();
    db.execute_batch("PRAGMA journal_mode = DELETE; CREATE TABLE later (x); PRAGMA user_version = 2")
        .unwrap();
    drop(db);
    let before = fs::read(file(&home)).unwrap();
    let mut opened = open(&home);
    assert!(!opened.cache.is_kept());
    let [notice] = &opened.notices[..] else { panic!("{:?}", opened.notices) };
    assert!(notice.contains("newer") && notice.contains("lost when you quit"), "{notice}");
    // It runs all the same.
    opened.cache.reset("e").unwrap();
    opened.cache.keep_pending(&pending(9, 1, "of this run")).unwrap();
    assert_eq!(bodies(&opened.cache.stored().unwrap()), ["of this run"]);
    drop(opened);
    assert!(fs::read(file(&home)).unwrap() == before);
    assert!(aside(dir.path()).is_empty());
}

#[test]
fn what_cannot_be_reached_is_told_and_left() {
    let (dir, home) = home();
    fs::create_dir(file(&home)).unwrap();
    let opened = open(&home);
    assert!(!opened.cache.is_kept());
    assert!(opened.notices[0].contains("cannot be used"), "{:?}", opened.notices);
    assert!(file(&home).is_dir() && aside(dir.path()).is_empty());
}

#[test]
fn the_second_of_two_runs_without_and_says_so() {
    let (_dir, home) = home();
    let mut first = open(&home);
    let mut second = open(&home);
    assert!(first.cache.is_kept() && first.notices.is_empty());
    assert!(!second.cache.is_kept());
    assert!(second.notices[0].contains("Another chat-tui"), "{:?}", second.notices);
    second.cache.keep_pending(&pending(1, 1, "the second's")).unwrap();
    first.cache.keep_pending(&pending(2, 1, "the first's")).unwrap();
    drop((first, second));
    assert_eq!(bodies(&open(&home).cache.stored().unwrap()), ["the first's"]);
}

#[test]
fn a_full_disk_refuses_what_is_new_and_keeps_what_is_there() {
    let (_dir, home) = home();
    let mut cache = open(&home).cache;
    cache.keep_pending(&pending(1, 1, "there")).unwrap();
    cache.keep_draft(id(1), &draft("being written")).unwrap();
    let pages: i64 = cache.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    cache.db.pragma_update(None, "max_page_count", pages).unwrap();
    let long = "x".repeat(16 << 10);
    let refused = cache.keep_pending(&pending(2, 1, &long)).unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert!(cache.keep_draft(id(2), &draft(&long)).is_err());
    // A draft goes with the message that it became, or stays.
    let stored = cache.stored().unwrap();
    assert_eq!(bodies(&stored), ["there"]);
    assert_eq!(stored.drafts, [(id(1), draft("being written"))]);
    // With room it goes on.
    cache.db.pragma_update(None, "max_page_count", pages + 100).unwrap();
    cache.keep_pending(&pending(2, 1, &long)).unwrap();
    drop(cache);
    let stored = open(&home).cache.stored().unwrap();
    assert_eq!(bodies(&stored), ["there", long.as_str()]);
    assert!(stored.drafts.is_empty());
}

#[test]
fn the_oldest_messages_of_a_long_conversation_are_let_go() {
    let mut cache = Cache::in_memory().unwrap();
    let last = MESSAGES_PER_CONVERSATION as i64 + 200;
    cache.begin_anew([(&conversation(1), Rev::MIN)]).unwrap();
    cache.keep_draft(id(1), &draft("mine")).unwrap();
    cache.keep_changes(&conversation(1), &messages(1, 1..=last), Rev::MIN, rev(last)).unwrap();
    cache.trim(id(1)).unwrap();
    let held = cache.newest(id(1), usize::MAX >> 1).unwrap().unwrap();
    assert_eq!((held.from, held.to, held.messages.len()), (seq(201), seq(last), MESSAGES_PER_CONVERSATION));
    assert_eq!(cache.before(id(1), seq(201), 100).unwrap(), None);
    assert_eq!(seqs(cache.after(id(1), seq(200), 2).unwrap()), [201, 202]);
    assert_eq!(cache.stored().unwrap().drafts.len(), 1);
}

#[test]
fn conversations_not_opened_for_longest_lose_their_messages_but_nothing_of_the_users() {
    let mut cache = Cache::in_memory().unwrap();
    for (room, opened_at) in [(1, 30), (2, 10), (3, 20)] {
        cache.begin_anew([(&conversation(room), Rev::MIN)]).unwrap();
        cache.keep_changes(&conversation(room), &messages(room, 1..=100), Rev::MIN, rev(100)).unwrap();
        cache.keep_opened(id(room), opened_at).unwrap();
        cache.keep_pending(&pending(room as u128, room, "unsent")).unwrap();
        cache.keep_draft(id(room), &draft("unfinished")).unwrap();
    }
    assert_eq!(cache.evict_to(300).unwrap(), []);
    assert_eq!(cache.evict_to(299).unwrap(), [id(2)]);
    assert_eq!(cache.evict_to(150).unwrap(), [id(3)]);
    let stored = cache.stored().unwrap();
    assert_eq!((stored.outbox.len(), stored.drafts.len(), stored.conversations.len()), (3, 3, 3));
    let cached: Vec<bool> = stored.conversations.iter().map(|stored| stored.cached).collect();
    assert_eq!(cached, [true, false, false]);
    assert_eq!(cache.newest(id(2), 10).unwrap(), None);
    // It is followed on: what comes is held, what was before is not.
    cache.keep_changes(&conversation(2), &messages(2, 101..=102), rev(100), rev(102)).unwrap();
    let held = cache.newest(id(2), 10).unwrap().unwrap();
    assert_eq!((held.from, held.to), (seq(101), seq(102)));
    assert_eq!(seqs(Some(held)), [101, 102]);
    assert_eq!(cache.before(id(2), seq(101), 10).unwrap(), None);
}

#[test]
fn many_short_runs_stay_within_the_bound_like_a_long_one() {
    let (_dir, home) = home();
    for run in 0..4 {
        let mut cache = open(&home).cache;
        cache.begin_anew([(&conversation(run + 1), Rev::MIN)]).unwrap();
        let new = messages(run + 1, 1..=100);
        cache.keep_changes(&conversation(run + 1), &new, Rev::MIN, rev(100)).unwrap();
        cache.evict_beyond(250).unwrap();
        let held: i64 = cache.db.query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).unwrap();
        assert!(held <= 250, "{held} after run {run}");
    }
}

/// What happens to a conversation and to what is held of it.
#[derive(Debug, Clone)]
enum Op {
    /// The conversation goes on: so many new messages, and one that is held or not is changed.
    Live(u8, Option<u8>),
    /// A page is read: so many messages from the n-th.
    Page(u8, u8),
    /// It goes on without us, and the newest page is read: a gap stays.
    Jump(u8, u8),
    /// All but so many are let go.
    Trim(u8),
    /// All are let go.
    Evict,
    /// A write has failed: it begins anew.
    Anew,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6_u8, prop::option::of(any::<u8>())).prop_map(|(n, changed)| Op::Live(n, changed)),
        5 => (any::<u8>(), 1..8_u8).prop_map(|(from, n)| Op::Page(from, n)),
        2 => (1..20_u8, 1..6_u8).prop_map(|(n, page)| Op::Jump(n, page)),
        1 => (1..12_u8).prop_map(Op::Trim),
        1 => Just(Op::Evict),
        1 => Just(Op::Anew),
    ]
}

/// The server's side: every message in its present state.
#[derive(Default)]
struct History {
    all: Vec<Message>,
    head: i64,
}

impl History {
    fn post(&mut self, count: u8) -> Vec<Message> {
        let new: Vec<Message> =
            (1..=i64::from(count)).map(|n| message(1, self.head + n, self.head + n)).collect();
        self.head += i64::from(count);
        self.all.extend(new.iter().cloned());
        new
    }

    fn change(&mut self, n: u8) -> Option<Message> {
        let at = usize::from(n) % self.all.len().max(1);
        let old = self.all.get_mut(at)?;
        self.head += 1;
        *old = message(1, old.seq.get(), self.head);
        Some(old.clone())
    }

    fn between(&self, from: Seq, to: Seq) -> Vec<Message> {
        self.all.iter().filter(|message| message.seq >= from && message.seq <= to).cloned().collect()
    }
}

/// Whatever is answered as held is the server's, without a hole.
fn check(cache: &Cache, history: &History) {
    let mut answers = vec![cache.newest(id(1), 4).unwrap()];
    for at in 0..=history.head + 1 {
        answers.push(cache.around(id(1), seq(at), 6).unwrap());
        answers.push(cache.after(id(1), seq(at), 3).unwrap());
        if at > 0 {
            answers.push(cache.before(id(1), seq(at), 3).unwrap());
        }
    }
    for span in answers.into_iter().flatten() {
        assert_eq!(span.messages, history.between(span.from, span.to), "{:?} to {:?}", span.from, span.to);
    }
}

fn play(ops: Vec<Op>) {
    let (mut cache, mut history) = (Cache::in_memory().unwrap(), History::default());
    let room = conversation(1);
    cache.begin_anew([(&room, Rev::MIN)]).unwrap();
    for op in ops {
        let before = rev(history.head);
        match op {
            Op::Live(new, changed) => {
                let mut news = history.post(new);
                news.extend(changed.and_then(|n| history.change(n)));
                // In present states: a message that is new and changed comes once.
                news.retain(|message| history.all.contains(message));
                cache.keep_changes(&room, &news, before, rev(history.head)).unwrap();
            }
            Op::Page(from, count) => {
                let first = usize::from(from) % history.all.len().max(1);
                let page: Vec<Message> =
                    history.all.iter().skip(first).take(usize::from(count)).cloned().collect();
                let Some((from, to)) = page.first().zip(page.last()).map(|(a, b)| (a.seq, b.seq)) else {
                    continue;
                };
                cache.keep_span(id(1), &Span { from, to, messages: page }).unwrap();
            }
            Op::Jump(count, page) => {
                history.post(count);
                let changed = history.change(count);
                let held_to = cache.newest_seq(id(1)).unwrap();
                let first = history.all.len().saturating_sub(usize::from(page));
                let page = history.all[first..].to_vec();
                let span = Span { from: page[0].seq, to: seq(history.head), messages: page };
                let changed: Vec<Message> = changed.into_iter().filter(|m| m.seq <= held_to).collect();
                cache.keep_jump(&room, rev(history.head), &span, &changed).unwrap();
            }
            Op::Trim(keep) => cache.trim_to(id(1), usize::from(keep)).unwrap(),
            Op::Evict => drop(cache.evict_to(0).unwrap()),
            Op::Anew => cache.begin_anew([(&room, before)]).unwrap(),
        }
        check(&cache, &history);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_held_is_whole(ops in prop::collection::vec(op(), 0..25)) {
        play(ops);
    }
}
