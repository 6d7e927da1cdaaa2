//! What is held of a history is whole, and bounded.

use super::*;
use proptest::prelude::*;

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
