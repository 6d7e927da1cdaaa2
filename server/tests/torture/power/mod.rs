//! Power cuts. A killed program's writes are kept by the system; when the power goes, so does whatever the disk was
//! not asked to keep. Here the writes of a server are noted (`notes.c`), the server is killed, and its data
//! directory is made to what a disk may hold after that (`disk.rs`).

mod control;
mod disk;
mod moments;
mod note;

use crate::faults::is_elsewhere;
use crate::preload::library;
use crate::world::World;
use disk::{Disk, Flushes};
use note::{Note, last_commit, notes};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Acknowledgements between two cuts, at the most.
const BETWEEN: usize = 60;

/// A program's writes below a directory are noted.
#[derive(Clone)]
pub(crate) struct Noted {
    library: PathBuf,
    directory: PathBuf,
    notes: PathBuf,
}

impl Noted {
    /// Of a directory that is there; the notes are made in another. None, and a word about it: nothing can be noted
    /// here.
    pub(crate) fn new(of: &Path, notes_in: &Path) -> Option<Self> {
        let library = library("power/notes.c", notes_in)?;
        let directory = of.canonicalize().unwrap();
        Some(Self { library, directory, notes: notes_in.join("notes") })
    }

    /// Has a command noted, which must be the only one at a time.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library);
        command.env("NOTED_DIRECTORY", &self.directory).env("NOTES", &self.notes);
    }

    /// What was noted until now.
    fn read(&self) -> Vec<Note> {
        notes(&fs::read(&self.notes).unwrap())
    }

    /// What was noted of a program that has ended. The next one begins anew.
    fn take(&self) -> Vec<Note> {
        let notes = self.read();
        fs::remove_file(&self.notes).unwrap();
        notes
    }

    /// The same of a program that ended in order. Everything was noted: otherwise the directory would hold something
    /// else than what comes of the notes.
    fn take_whole(&self, before: &Disk) -> Vec<Note> {
        let notes = self.take();
        let (noted, there) = (before.after(&notes, Flushes::Honest).whole(), Disk::read(&self.directory));
        assert!(noted == there, "not everything was noted of {:?}", noted.differs(&there));
        notes
    }
}

/// The power is cut, again and again, and the server started on what the disk kept.
pub(crate) async fn power(world: &mut World) {
    if is_elsewhere() {
        return;
    }
    if let Some(noted) = Noted::new(&world.place.data, world.dir()) {
        let cuts = world.plan.load / 10;
        cut_again_and_again(world, noted, cuts, Flushes::Honest).await;
    }
}

/// Stops early where something was found.
async fn cut_again_and_again(world: &mut World, noted: Noted, cuts: u64, flushes: Flushes) {
    // The disk has had time to write what was there before.
    world.take_server().kill();
    let mut disk = Disk::read(&noted.directory);
    world.place.noted = Some(noted.clone());
    world.start_server();
    let mut forgotten = 0;
    for cut in 1..=cuts {
        let acks = world.chance.below(BETWEEN) as u64;
        world.goes_on("between two cuts of", acks).await;
        if !world.shared.record().history.violations.is_empty() {
            println!("power: found after {} cuts; forgotten by then: {forgotten}", cut - 1);
            return;
        }
        let notes = if world.chance.one_in(4) && flushes == Flushes::Honest {
            // While it folds its log into the database, into which kills seldom come.
            let mut notes = stop(world, &noted, &disk).await;
            let committed = last_commit(&notes);
            notes.truncate(committed + world.chance.below(notes.len() - committed + 1));
            notes
        } else {
            world.take_server().kill();
            noted.take()
        };
        world.kills += 1;
        let (kept, lost) = disk.after(&notes, flushes).cut(&mut world.chance);
        world.shared.note("torture", "done", serde_json::json!({"cut": cut, "forgotten": lost}));
        kept.write(&noted.directory);
        (disk, forgotten) = (kept, forgotten + lost);
        world.start_server();
    }
    println!("power: {cuts} cuts; forgotten in all: {forgotten}");
    stop(world, &noted, &disk).await;
    world.place.noted = None;
    world.start_server();
}

/// Stops the server in order, and returns what was noted of it.
async fn stop(world: &mut World, noted: &Noted, before: &Disk) -> Vec<Note> {
    world.shared.address.send_replace(None);
    let code = world.take_server().stop().await;
    if code != Some(0) {
        world.shared.violate("stops", format!("{code:?}"));
    }
    noted.take_whole(before)
}
