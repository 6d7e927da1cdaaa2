//! Damaged, foreign and full files, and a file that another program has.

use super::*;
use std::fs;
use std::path::Path;

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
fn a_row_that_is_there_twice_is_saved_once() {
    let (_dir, home) = home();
    filled(&home);
    let db = Connection::open(file(&home)).unwrap();
    db.execute_batch(
        "CREATE TABLE twice AS SELECT * FROM outbox UNION ALL SELECT * FROM outbox; DROP TABLE outbox;
         ALTER TABLE twice RENAME TO outbox; PRAGMA user_version = -1",
    )
    .unwrap();
    drop(db);
    let opened = open(&home);
    assert!(opened.cache.is_kept(), "{:?}", opened.notices);
    assert!(opened.notices[0].contains("3 messages that wait"), "{:?}", opened.notices);
    assert_eq!(bodies(&opened.cache.stored().unwrap()), ["first", "second", "third"]);
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
