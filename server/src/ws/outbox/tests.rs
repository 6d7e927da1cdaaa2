use super::*;

fn conversation(id: i64) -> ConversationId {
    ConversationId::new(id).unwrap()
}

fn event(id: i64, size: usize) -> Frame {
    Frame { bytes: vec![b'e'; size].into(), kind: FrameKind::Event(conversation(id)) }
}

fn reply(size: usize) -> Frame {
    Frame { bytes: vec![b'r'; size].into(), kind: FrameKind::Reply }
}

fn typing(id: i64) -> Frame {
    let user = UserId::new(7).unwrap();
    Frame { bytes: Bytes::from_static(b"typing"), kind: FrameKind::Typing(conversation(id), user) }
}

fn presence(username: &str, online: bool) -> Frame {
    let change = PresenceChange { username: username.parse().unwrap(), online, last_seen_at: None };
    let changes: Arc<[PresenceChange]> = Arc::new([change]);
    let frame = ServerFrame::Presence { changes: changes.to_vec() };
    Frame { bytes: encode(&frame), kind: FrameKind::Presence(changes) }
}

/// Reads everything, and what of it tells of presence, in letters: who came, and in capitals who went.
fn seen(outbox: &mut Outbox) -> String {
    let mut seen = String::new();
    while let Some(Entry { bytes, kind }) = outbox.queue.front() {
        let changes = if let Kind::Presence(changes) = kind { &changes[..] } else { &[] };
        let name = |change: &PresenceChange| change.username.to_string();
        let letter =
            |change: &PresenceChange| if change.online { name(change) } else { name(change).to_uppercase() };
        seen.extend(changes.iter().map(letter));
        outbox.advance(bytes.len());
    }
    seen
}

/// The queue in letters: reply, event, typing, presence, resync of one, RESYNC of all.
fn picture(outbox: &Outbox) -> String {
    let letter = |entry: &Entry| match entry.kind {
        Kind::Reply => 'r',
        Kind::Event(_) => 'e',
        Kind::Typing(..) => 't',
        Kind::Presence(_) => 'p',
        Kind::Resync(Some(_)) => 's',
        Kind::Resync(None) => 'S',
    };
    outbox.queue.iter().map(letter).collect()
}

fn check(outbox: &Outbox) {
    assert_eq!(outbox.bytes, outbox.queue.iter().map(|entry| entry.bytes.len()).sum::<usize>());
    let resyncs = outbox.queue.iter().filter(|entry| matches!(entry.kind, Kind::Resync(_))).count();
    assert_eq!(outbox.resyncs, resyncs);
    assert!(outbox.bytes <= BYTES_MAX + 1024);
}

#[test]
fn the_latest_typing_wins() {
    let mut outbox = Outbox::default();
    for frame in [typing(1), typing(2), typing(1)] {
        outbox.push(&frame);
    }
    assert_eq!(picture(&outbox), "tt");
    check(&outbox);
}

#[test]
fn an_overflow_drops_latest_state_first_then_the_conversation_for_one_resync() {
    let mut outbox = Outbox::default();
    outbox.push(&reply(10));
    outbox.push(&typing(1));
    outbox.push(&event(2, 10));
    for _ in 0..FRAMES_MAX - 3 {
        outbox.push(&event(1, 10));
    }
    outbox.push(&event(1, 10));
    assert!(!picture(&outbox).contains('t'));
    outbox.push(&event(1, 10));
    assert_eq!(picture(&outbox), "res");
    check(&outbox);
    // As long as the resync waits, more of the same conversation stands behind it.
    outbox.push(&event(1, 10));
    outbox.push(&event(2, 10));
    assert_eq!(picture(&outbox), "rese");
    check(&outbox);
}

#[test]
fn of_whoever_came_and_went_meanwhile_the_latest_is_told_in_the_end() {
    let mut outbox = Outbox::default();
    // Dropped for events, in the order in which they came; then refused for want of room.
    outbox.push(&presence("aa", true));
    outbox.push(&presence("bb", true));
    outbox.push(&presence("aa", false));
    for _ in 0..FRAMES_MAX {
        outbox.push(&event(1, 10));
    }
    assert!(!picture(&outbox).contains('p'));
    for _ in 0..FRAMES_MAX {
        outbox.push(&reply(10));
    }
    outbox.push(&presence("cc", true));
    outbox.push(&presence("bb", false));
    outbox.push(&presence("cc", true));
    check(&outbox);
    assert_eq!(seen(&mut outbox), "AABBcc");
    assert!(outbox.missed.is_empty());
}

#[test]
fn presence_that_is_refused_is_newer_than_what_waits() {
    let mut outbox = Outbox::default();
    outbox.push(&presence("aa", true));
    for _ in 0..FRAMES_MAX {
        outbox.push(&reply(10));
    }
    outbox.push(&presence("aa", false));
    // What waits is dropped, and must not win over what came later.
    outbox.push(&event(1, 10));
    assert_eq!(seen(&mut outbox), "AA");
}

#[test]
fn a_frame_too_large_for_the_queue_is_told_in_parts() {
    let mut outbox = Outbox::default();
    let named = |n: usize| format!("user{n:05}").parse().unwrap();
    let change = |n| PresenceChange { username: named(n), online: true, last_seen_at: None };
    let changes: Arc<[PresenceChange]> = (0..2 * MISSED_AT_ONCE + 1).map(change).collect();
    outbox.push(&Frame { bytes: vec![b'p'; BYTES_MAX + 1].into(), kind: FrameKind::Presence(changes) });
    assert_eq!(picture(&outbox), "p");
    check(&outbox);
    assert_eq!(seen(&mut outbox).matches("user").count(), 2 * MISSED_AT_ONCE + 1);
}

#[test]
fn nothing_follows_the_close_frame() {
    let mut outbox = Outbox::default();
    for _ in 0..FRAMES_MAX {
        outbox.push(&reply(10));
    }
    outbox.push(&presence("aa", true));
    outbox.push_last(Bytes::from_static(b"close"));
    assert_eq!(seen(&mut outbox), "");
}

#[test]
fn bytes_count_as_well_as_frames() {
    let mut outbox = Outbox::default();
    for _ in 0..20 {
        outbox.push(&event(1, 100_000));
        check(&outbox);
    }
    assert_eq!(picture(&outbox), "s");
}

#[test]
fn answers_are_never_dropped() {
    let mut outbox = Outbox::default();
    for _ in 0..FRAMES_MAX {
        outbox.push(&reply(10));
    }
    assert!(outbox.is_full_of_replies());
    outbox.push(&event(1, 10));
    outbox.push(&event(2, 10));
    outbox.push(&reply(10));
    assert_eq!(picture(&outbox).matches('r').count(), FRAMES_MAX + 1);
    assert_eq!(picture(&outbox).matches('S').count(), 1);
}

#[test]
fn a_frame_that_was_begun_is_finished() {
    let mut outbox = Outbox::default();
    outbox.push(&event(1, 100));
    outbox.push(&event(1, 100));
    outbox.advance(30);
    outbox.clear();
    assert_eq!(picture(&outbox), "e");
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(outbox.slices(&mut slices), 1);
    assert_eq!(slices[0].len(), 70);
}

#[test]
fn writing_advances_over_frames() {
    let mut outbox = Outbox::default();
    for size in [10, 20, 30] {
        outbox.push(&reply(size));
    }
    outbox.advance(15);
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(outbox.slices(&mut slices), 2);
    assert_eq!((slices[0].len(), slices[1].len()), (15, 30));
    outbox.advance(45);
    assert!(outbox.is_empty());
    check(&outbox);
}
