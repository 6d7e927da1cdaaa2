//! A disk whose power is cut: what it may hold of what a program wrote, by the notes of `notes.c`.
//!
//! It is a strict one. Kept for certain is what was written to a file before a flush of that file began that has
//! ended, and the names that were made, moved or removed in a directory before such a flush of the directory. Of
//! everything else each sector holds what it held then or after any write since, whatever became of its
//! neighbours; a file has any of its lengths; each change of a name was made or was not. What it does keep is
//! undamaged.

mod tests;

use super::note::Note;
use crate::chance::Chance;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Of 16 sectors that may be forgotten so many are kept; which it is, is drawn for each file.
const KEPT: [usize; 4] = [0, 8, 15, 16];
/// Of 16 names.
const KEPT_NAMES: [usize; 4] = [0, 8, 8, 16];

/// What is on a disk below a directory: by path, the bytes of each file, and nothing of each directory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Disk(BTreeMap<String, Option<Vec<u8>>>);

impl Disk {
    /// As it is. Sockets are not on the disk.
    pub(crate) fn read(root: &Path) -> Self {
        let mut found = BTreeMap::from([(String::new(), None)]);
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    found.insert(name, None);
                    directories.push(path);
                } else if path.is_file() {
                    found.insert(name, Some(fs::read(&path).unwrap()));
                }
            }
        }
        Self(found)
    }

    /// Makes the directory hold this and nothing else.
    pub(crate) fn write(&self, root: &Path) {
        for entry in fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        for (name, bytes) in self.0.iter().filter(|(name, _)| !name.is_empty()) {
            let path = root.join(name);
            match bytes {
                None => fs::create_dir(path).unwrap(),
                Some(bytes) => {
                    let mut new = fs::OpenOptions::new();
                    new.write(true).create_new(true).mode(0o600);
                    new.open(path).unwrap().write_all(bytes).unwrap();
                }
            }
        }
    }

    /// The files that are not the same on both, for whoever looks for a mistake.
    pub(crate) fn differs(&self, other: &Self) -> Vec<String> {
        let names = self.0.keys().chain(other.0.keys());
        let mut differing: Vec<String> =
            names.filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect();
        differing.dedup();
        differing
    }

    /// What the system held of it after this was done.
    pub(crate) fn after(&self, notes: &[Note], flushes: Flushes) -> Cache {
        let mut cache = Cache::of(self);
        for (at, note) in notes.iter().enumerate() {
            cache.take(at, note, flushes);
        }
        cache
    }
}

/// Does the disk do as it is told?
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Flushes {
    Honest,
    /// It forgets to flush the database's log, and says that it did.
    LiesAboutTheLog,
}

/// A file, or a directory (of which nothing is written).
#[derive(Debug, Default)]
struct File {
    path: String,
    is_directory: bool,
    kept: Vec<u8>,
    /// What may be forgotten, each with its place among the notes.
    waiting: Vec<(usize, Change)>,
}

#[derive(Debug)]
enum Change {
    Written { offset: usize, bytes: Vec<u8> },
    Resized { length: usize },
}

/// Names that change at once, and what they then stand for.
type Renaming = Vec<(String, Option<usize>)>;

/// A disk, and what the system has not written to it yet.
#[derive(Debug)]
pub(crate) struct Cache {
    files: Vec<File>,
    /// By path, the index of the file.
    names: BTreeMap<String, usize>,
    kept_names: BTreeMap<String, usize>,
    waiting_names: Vec<(usize, Renaming)>,
    handles: HashMap<u32, usize>,
}

impl Cache {
    fn of(disk: &Disk) -> Self {
        let mut names = BTreeMap::new();
        let mut files = Vec::new();
        for (path, bytes) in &disk.0 {
            names.insert(path.clone(), files.len());
            let (is_directory, kept) = (bytes.is_none(), bytes.clone().unwrap_or_default());
            files.push(File { path: path.clone(), is_directory, kept, waiting: Vec::new() });
        }
        let kept_names = names.clone();
        Self { files, names, kept_names, waiting_names: Vec::new(), handles: HashMap::new() }
    }

    fn take(&mut self, at: usize, note: &Note, flushes: Flushes) {
        match note {
            Note::Opened { handle, path, is_new, is_emptied } => {
                if *is_new {
                    self.make(at, path, false);
                }
                let file = *self.names.get(path).unwrap_or_else(|| panic!("{path} came from nowhere"));
                self.handles.insert(*handle, file);
                if *is_emptied {
                    self.files[file].waiting.push((at, Change::Resized { length: 0 }));
                }
            }
            Note::Written { handle, offset, bytes } => {
                let change = Change::Written { offset: *offset, bytes: bytes.clone() };
                self.files[self.handles[handle]].waiting.push((at, change));
            }
            Note::Resized { handle, length } => {
                self.files[self.handles[handle]].waiting.push((at, Change::Resized { length: *length }));
            }
            Note::Flushed { handle, upto } => self.flush(self.handles[handle], *upto, flushes),
            Note::Removed { path } => self.rename(at, vec![(path.clone(), None)]),
            Note::Renamed { from, to } => {
                assert_eq!(parent(from), parent(to), "moves between directories are not played");
                let file = self.names.get(from).copied();
                self.rename(at, vec![(from.clone(), None), (to.clone(), file)]);
            }
            Note::DirectoryMade { path } => self.make(at, path, true),
        }
    }

    fn make(&mut self, at: usize, path: &str, is_directory: bool) {
        self.files.push(File { path: path.to_owned(), is_directory, ..File::default() });
        self.rename(at, vec![(path.to_owned(), Some(self.files.len() - 1))]);
    }

    fn rename(&mut self, at: usize, renaming: Renaming) {
        apply(&mut self.names, &renaming);
        self.waiting_names.push((at, renaming));
    }

    fn flush(&mut self, file: usize, upto: usize, flushes: Flushes) {
        let File { path, is_directory, kept, waiting } = &mut self.files[file];
        if flushes == Flushes::LiesAboutTheLog && path.ends_with("-wal") {
            return;
        }
        for (_, change) in waiting.extract_if(.., |(at, _)| *at < upto) {
            change.apply(kept);
        }
        if *is_directory {
            let inside =
                |(at, names): &mut (usize, Renaming)| *at < upto && parent(&names[0].0) == path.as_str();
            for (_, renaming) in self.waiting_names.extract_if(.., inside) {
                apply(&mut self.kept_names, &renaming);
            }
        }
    }

    /// All of it: what is there as long as the power is.
    pub(crate) fn whole(self) -> Disk {
        let files = self.files.into_iter().map(|file| {
            let mut bytes = file.kept;
            file.waiting.iter().for_each(|(_, change)| change.apply(&mut bytes));
            (file.is_directory, bytes)
        });
        found(&self.names, &files.collect::<Vec<_>>())
    }

    /// What is there after the cut, and how many sectors and names were forgotten.
    pub(crate) fn cut(&self, chance: &mut Chance) -> (Disk, usize) {
        let mut forgotten = 0;
        let mut names = self.kept_names.clone();
        let kept = KEPT_NAMES[chance.below(KEPT_NAMES.len())];
        for (_, renaming) in &self.waiting_names {
            if chance.below(16) < kept {
                apply(&mut names, renaming);
            } else {
                forgotten += 1;
            }
        }
        let mut files = Vec::new();
        for file in &self.files {
            // SQLite's index of its log is made anew at every start.
            let counts = !file.path.ends_with("-shm");
            let (is_directory, (bytes, lost)) = (file.is_directory, file.cut(chance));
            forgotten += if counts { lost } else { 0 };
            files.push((is_directory, bytes));
        }
        (found(&names, &files), forgotten)
    }
}

impl File {
    /// What is left of it, and how many writes of a sector are not.
    fn cut(&self, chance: &mut Chance) -> (Vec<u8>, usize) {
        let kept = KEPT[chance.below(KEPT.len())];
        let mut writes: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, change) in &self.waiting {
            change.sectors().for_each(|(sector, _)| *writes.entry(sector).or_default() += 1);
        }
        let mut forgotten = 0;
        // A sector is what it was after one of its writes.
        for count in writes.values_mut() {
            let left = match kept {
                0 => 0,
                _ if chance.below(16) < kept => *count,
                _ => chance.below(*count),
            };
            forgotten += *count - left;
            *count = left;
        }
        let (mut bytes, mut length) = (self.kept.clone(), 0);
        for (_, change) in &self.waiting {
            match change {
                Change::Resized { length } if chance.below(16) < kept => bytes.resize(*length, 0),
                Change::Resized { .. } => forgotten += 1,
                Change::Written { offset, .. } => {
                    for (sector, part) in change.sectors() {
                        let left = writes.entry(sector).or_default();
                        if *left > 0 {
                            *left -= 1;
                            let start = sector * SECTOR;
                            write(&mut bytes, start.max(*offset), part);
                        }
                    }
                }
            }
            length = length.max(change.end());
        }
        // The length may be there before what was written.
        if length > bytes.len() && chance.one_in(4) {
            bytes.resize(length, 0);
        }
        (bytes, forgotten)
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Written { offset, bytes: written } => write(bytes, *offset, written),
            Self::Resized { length } => bytes.resize(*length, 0),
        }
    }

    fn end(&self) -> usize {
        match self {
            Self::Written { offset, bytes } => offset + bytes.len(),
            Self::Resized { length } => *length,
        }
    }

    /// What is written to each sector.
    fn sectors(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let (offset, mut rest) = match self {
            Self::Written { offset, bytes } => (*offset, &bytes[..]),
            Self::Resized { .. } => (0, &[][..]),
        };
        let mut at = offset;
        std::iter::from_fn(move || {
            let (part, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
            let sector = at / SECTOR;
            (at, rest) = (at + part.len(), after);
            (!part.is_empty()).then_some((sector, part))
        })
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(written);
}

fn apply(names: &mut BTreeMap<String, usize>, renaming: &Renaming) {
    for (name, file) in renaming {
        match file {
            Some(file) => names.insert(name.clone(), *file),
            None => names.remove(name),
        };
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// What these names stand for, as far as the directories above them are there.
fn found(names: &BTreeMap<String, usize>, files: &[(bool, Vec<u8>)]) -> Disk {
    let mut disk: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    for (name, file) in names {
        let (is_directory, bytes) = &files[*file];
        if name.is_empty() || disk.contains_key(parent(name)) {
            disk.insert(name.clone(), (!is_directory).then(|| bytes.clone()));
        }
    }
    Disk(disk)
}
