//! The notes that `notes.c` makes, read.

use std::collections::HashSet;

/// A note's head: kind, handle, number, length.
const HEAD: usize = 24;

/// Something that a program did to a file, or had the disk do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Note {
    Opened {
        handle: u32,
        path: String,
        is_new: bool,
        is_emptied: bool,
    },
    Written {
        handle: u32,
        offset: usize,
        bytes: Vec<u8>,
    },
    Resized {
        handle: u32,
        length: usize,
    },
    /// What was noted before that place is kept.
    Flushed {
        handle: u32,
        upto: usize,
    },
    Removed {
        path: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    DirectoryMade {
        path: String,
    },
}

impl Note {
    /// Takes the next one off; none where it is not whole.
    fn take(notes: &mut &[u8]) -> Option<Self> {
        let (head, rest) = notes.split_at_checked(HEAD)?;
        let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let long = |at: usize| usize::from_ne_bytes(std::array::from_fn(|index| head[at + index]));
        let (handle, number) = (word(4), long(8));
        let (bytes, rest) = rest.split_at_checked(long(16))?;
        let path = || String::from_utf8(bytes.to_vec()).unwrap();
        *notes = rest;
        Some(match word(0) {
            1 => Self::Opened { handle, path: path(), is_new: number & 1 != 0, is_emptied: number & 2 != 0 },
            2 => Self::Written { handle, offset: number, bytes: bytes.to_vec() },
            3 => Self::Resized { handle, length: number },
            4 => Self::Flushed { handle, upto: number },
            5 => Self::Removed { path: path() },
            6 => {
                let both = path();
                let (from, to) = both.trim_end_matches('\0').split_once('\0').unwrap();
                Self::Renamed { from: from.to_owned(), to: to.to_owned() }
            }
            7 => Self::DirectoryMade { path: path() },
            kind => panic!("a note of the kind {kind}"),
        })
    }
}

/// All that are whole. The last may have been cut off.
pub(crate) fn notes(mut bytes: &[u8]) -> Vec<Note> {
    std::iter::from_fn(|| Note::take(&mut bytes)).collect()
}

/// Behind which note nothing is committed any more: where the database's log was flushed last after it was written.
pub(crate) fn last_commit(notes: &[Note]) -> usize {
    let mut logs = HashSet::new();
    let (mut is_open, mut committed) = (false, 0);
    for (at, note) in notes.iter().enumerate() {
        match note {
            Note::Opened { handle, path, .. } if path.ends_with("-wal") => {
                logs.insert(*handle);
            }
            Note::Written { handle, .. } if logs.contains(handle) => is_open = true,
            Note::Flushed { handle, .. } if logs.contains(handle) && is_open => {
                (is_open, committed) = (false, at + 1);
            }
            _ => {}
        }
    }
    committed
}
