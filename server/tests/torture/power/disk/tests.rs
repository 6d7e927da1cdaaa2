//! What the disk keeps, of notes made by hand.

use super::super::note::notes;
use super::*;
use std::collections::BTreeSet;

/// Enough for everything that may happen here to happen.
const CUTS: u64 = 400;

fn opened(handle: u32, path: &str, is_new: bool) -> Note {
    Note::Opened { handle, path: path.to_owned(), is_new, is_emptied: false }
}

fn written(handle: u32, offset: usize, byte: u8, count: usize) -> Note {
    Note::Written { handle, offset, bytes: vec![byte; count] }
}

/// All that a disk that was empty may hold after this: by name, the files' bytes.
fn outcomes(notes: &[Note]) -> BTreeSet<BTreeMap<String, Vec<u8>>> {
    let cache = Disk(BTreeMap::from([(String::new(), None)])).after(notes, Flushes::Honest);
    let cut = |seed| cache.cut(&mut Chance::new(seed, "disk")).0.0;
    let files = |disk: BTreeMap<String, Option<Vec<u8>>>| {
        disk.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))).collect()
    };
    (0..CUTS).map(cut).map(files).collect()
}

/// The same of the one file that is there: the first byte of each sector.
fn sectors(notes: &[Note]) -> BTreeSet<Vec<u8>> {
    let only = |files: BTreeMap<String, Vec<u8>>| {
        let bytes = files.into_values().next().expect("it is gone");
        bytes.chunks(SECTOR).map(|sector| sector[0]).collect()
    };
    outcomes(notes).into_iter().map(only).collect()
}

/// A file of three sectors that stays.
fn kept_file() -> Vec<Note> {
    vec![
        opened(1, "", false),
        opened(2, "a", true),
        written(2, 0, 1, 3 * SECTOR),
        Note::Flushed { handle: 2, upto: 3 },
        Note::Flushed { handle: 1, upto: 4 },
    ]
}

#[test]
fn what_was_flushed_stays() {
    assert_eq!(sectors(&kept_file()), BTreeSet::from([vec![1, 1, 1]]));
}

#[test]
fn each_sector_that_was_not_flushed_is_old_or_new_whatever_its_neighbours_are() {
    let mut all = kept_file();
    all.push(written(2, SECTOR, 2, 2 * SECTOR));
    let expected = [[1, 1, 1], [1, 2, 1], [1, 1, 2], [1, 2, 2]].map(Vec::from);
    assert_eq!(sectors(&all), BTreeSet::from(expected));
}

#[test]
fn a_sector_is_as_it_was_after_one_of_its_writes() {
    let mut all = kept_file();
    all.extend([written(2, 0, 2, 100), written(2, 100, 3, 100)]);
    let heads = outcomes(&all).into_iter().map(|files| (files["a"][0], files["a"][100]));
    assert_eq!(heads.collect::<BTreeSet<_>>(), BTreeSet::from([(1, 1), (2, 1), (2, 3)]));
}

#[test]
fn a_flush_keeps_only_what_was_written_before_it_began() {
    let mut all = kept_file();
    all.extend([written(2, 0, 2, SECTOR), Note::Flushed { handle: 2, upto: 5 }]);
    assert!(sectors(&all).contains(&vec![1, 1, 1]));
    all.push(Note::Flushed { handle: 2, upto: 6 });
    assert_eq!(sectors(&all), BTreeSet::from([vec![2, 1, 1]]));
}

#[test]
fn a_file_that_grew_or_was_cut_short_has_either_length() {
    for length in [SECTOR, 5 * SECTOR] {
        let mut all = kept_file();
        all.push(Note::Resized { handle: 2, length });
        let lengths = outcomes(&all).into_iter().map(|files| files["a"].len());
        assert_eq!(lengths.collect::<BTreeSet<_>>(), BTreeSet::from([3 * SECTOR, length]));
        all.push(Note::Flushed { handle: 2, upto: 6 });
        let lengths = outcomes(&all).into_iter().map(|files| files["a"].len());
        assert_eq!(lengths.collect::<BTreeSet<_>>(), BTreeSet::from([length]));
    }
}

#[test]
fn a_name_stays_once_its_directory_was_flushed() {
    let mut all = kept_file();
    all.push(Note::Renamed { from: "a".to_owned(), to: "b".to_owned() });
    let names = |all: &[Note]| -> BTreeSet<Vec<String>> {
        outcomes(all).into_iter().map(|files| files.into_keys().collect()).collect()
    };
    let [a, b] = ["a", "b"].map(|name| vec![name.to_owned()]);
    assert_eq!(names(&all), BTreeSet::from([a, b.clone()]), "never both, and never neither");
    all.push(Note::Flushed { handle: 1, upto: 6 });
    assert_eq!(names(&all), BTreeSet::from([b.clone()]));
    all.push(Note::Removed { path: "b".to_owned() });
    assert_eq!(names(&all), BTreeSet::from([b, vec![]]));
    all.push(Note::Flushed { handle: 1, upto: 8 });
    assert_eq!(names(&all), BTreeSet::from([vec![]]));
}

#[test]
fn what_is_in_a_directory_is_gone_with_it() {
    let mut all = vec![
        opened(1, "", false),
        Note::DirectoryMade { path: "data".to_owned() },
        opened(2, "data", false),
        opened(3, "data/a", true),
        Note::Flushed { handle: 2, upto: 4 },
    ];
    let there = |all: &[Note]| -> BTreeSet<bool> {
        outcomes(all).into_iter().map(|files| files.contains_key("data/a")).collect()
    };
    assert_eq!(there(&all), BTreeSet::from([false, true]));
    all.push(Note::Flushed { handle: 1, upto: 5 });
    assert_eq!(there(&all), BTreeSet::from([true]));
}

#[test]
fn a_note_that_was_cut_off_is_none() {
    let mut bytes = Vec::new();
    for (kind, number, text) in [(7_u32, 0_u64, "data"), (2, 512, "what is written")] {
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend(number.to_ne_bytes());
        bytes.extend((text.len() as u64).to_ne_bytes());
        bytes.extend(text.as_bytes());
    }
    let all = vec![
        Note::DirectoryMade { path: "data".to_owned() },
        Note::Written { handle: 1, offset: 512, bytes: b"what is written".to_vec() },
    ];
    assert_eq!(notes(&bytes), all);
    for end in 28..bytes.len() {
        assert_eq!(notes(&bytes[..end]), all[..1], "after {end} bytes");
    }
}
