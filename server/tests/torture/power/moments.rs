//! What is done seldom and may be cut at any moment: a first start, a backup, a restore, an upgrade. They are done
//! once and noted; then the power is cut after each of the notes.

use super::Noted;
use super::disk::{Disk, Flushes};
use super::note::Note;
use crate::chance::Chance;
use crate::golden_files::{database, differences, golden, lay, version};
use crate::raw;
use crate::server::{Place, Server};
use crate::world::register;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// How often it is drawn what a disk holds, where much depends on it.
const OUTCOMES: usize = 12;

/// A data directory that is not there yet, on a disk.
struct Scene {
    dir: TempDir,
    disk: PathBuf,
    place: Place,
    noted: Noted,
}

impl Scene {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk");
        fs::create_dir(&disk).unwrap();
        let noted = Noted::new(&disk, dir.path())?;
        let place = Place::new(disk.join("data"), dir.path().join("log"));
        Some(Self { dir, disk, place, noted })
    }

    fn noted(&self) -> Place {
        Place { noted: Some(self.noted.clone()), ..self.place.clone() }
    }

    /// Runs a command; what it says, or what it complains of.
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.place.run(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// The accounts that are there, in a database without damage.
    fn accounts(&self) -> Result<Vec<String>, String> {
        let list = self.run(&["user", "list", "--json"])?;
        assert!(self.run(&["doctor", "--json"]).unwrap().contains("\"damage\":[]"));
        let names = list.split("\"username\":\"").skip(1);
        Ok(names.map(|rest| rest.split('"').next().unwrap().to_owned()).collect())
    }

    /// Gives the database that a restore put aside its name back, and what belongs to it.
    fn give_back(&self) {
        for entry in fs::read_dir(&self.place.data).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if let Some(aside) = name.strip_prefix("chat.before-restore-") {
                let rest = aside.trim_start_matches(|digit: char| digit.is_ascii_digit());
                fs::rename(&path, self.place.data.join(format!("chat.db{rest}"))).unwrap();
            }
        }
    }
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn a_first_start_may_be_cut_at_any_moment() {
    let Some(scene) = Scene::new() else { return };
    let before = Disk::read(&scene.disk);
    let server = Server::start(&scene.noted());
    let login = register(server.address, "alice").await;
    let registered = scene.noted.read().len();
    assert_eq!(server.stop().await, Some(0));
    let notes = scene.noted.take_whole(&before);
    let (mut chance, mut all) = (Chance::new(1, "first start"), 0);
    for moment in 0..=notes.len() {
        let (kept, forgotten) = before.after(&notes[..moment], Flushes::Honest).cut(&mut chance);
        all += forgotten;
        kept.write(&scene.disk);
        let server = Server::start(&scene.place);
        if moment >= registered {
            let me = raw::call(server.address, &login.token, "GET", "/me", None).await.unwrap();
            assert_eq!(me.0, 200, "cut after {moment} of {}: {me:?}", notes.len());
        }
        server.kill();
    }
    assert!(all > 0, "nothing was ever forgotten");
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn a_backup_that_is_done_is_there_after_a_cut() {
    let Some(scene) = Scene::new() else { return };
    let before = Disk::read(&scene.disk);
    let server = Server::start(&scene.noted());
    register(server.address, "alice").await;
    let backup = scene.disk.join("backup");
    let backup = backup.to_str().unwrap();
    scene.run(&["backup", backup]).unwrap();
    server.kill();
    let cache = before.after(&scene.noted.take(), Flushes::Honest);
    let mut chance = Chance::new(1, "backup");
    for _ in 0..OUTCOMES {
        cache.cut(&mut chance).0.write(&scene.disk);
        scene.run(&["restore", backup]).unwrap();
        assert_eq!(scene.accounts().unwrap(), ["alice"]);
    }
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn a_restore_may_be_cut_at_any_moment() {
    let Some(scene) = Scene::new() else { return };
    let server = Server::start(&scene.place);
    register(server.address, "alice").await;
    let backup = scene.dir.path().join("backup");
    let restore = ["restore", backup.to_str().unwrap()];
    scene.run(&["backup", restore[1]]).unwrap();
    register(server.address, "bob").await;
    // What came after the backup is in the log alone.
    server.kill();
    let before = Disk::read(&scene.disk);
    let output = scene.noted().run(&restore);
    assert!(output.status.success(), "{output:?}");
    let notes = scene.noted.take_whole(&before);
    let (mut chance, mut halves) = (Chance::new(1, "restore"), 0);
    let moved = notes.iter().position(|note| matches!(note, Note::Renamed { .. })).unwrap();
    for moment in (0..moved).chain((moved..=notes.len()).flat_map(|moment| [moment; OUTCOMES])) {
        let (kept, _) = before.after(&notes[..moment], Flushes::Honest).cut(&mut chance);
        kept.write(&scene.disk);
        let accounts = match scene.accounts() {
            // It says what to do: the one thing, or the other.
            Err(complaint) => {
                halves += 1;
                assert!(complaint.contains("a restore was cut off"), "after {moment}: {complaint}");
                if chance.one_in(2) {
                    scene.give_back()
                } else {
                    drop(scene.run(&restore).unwrap())
                }
                scene.accounts().unwrap()
            }
            Ok(accounts) => accounts,
        };
        let is_done = moment == notes.len();
        assert!(accounts == ["alice"] || accounts == ["alice", "bob"] && !is_done, "{moment}: {accounts:?}");
    }
    assert!(halves > 0, "no cut fell between the old database and the new one");
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn an_upgrade_may_be_cut_at_any_moment() {
    let Some(new) = Scene::new() else { return };
    let doctor = ["doctor", "--json"];
    new.run(&doctor).unwrap();
    let present = version(&database(&new.place.data));
    for earlier in 1..present {
        let Some(scene) = Scene::new() else { return };
        let (path, copy) = (database(&scene.place.data), format!("chat.before-v{present}.backup"));
        let copy = scene.place.data.join(copy);
        lay(&golden(earlier), &scene.place.data);
        let before = Disk::read(&scene.disk);
        let output = scene.noted().run(&doctor);
        assert!(output.status.success(), "{output:?}");
        let notes = scene.noted.take_whole(&before);
        let (mut chance, mut all) = (Chance::new(1, "upgrade"), 0);
        for moment in 0..=notes.len() {
            let (kept, forgotten) = before.after(&notes[..moment], Flushes::Honest).cut(&mut chance);
            all += forgotten;
            kept.write(&scene.disk);
            let said = scene.run(&doctor).unwrap_or_else(|complaint| panic!("after {moment}: {complaint}"));
            assert!(said.contains("\"damage\":[]"), "after {moment}: {said}");
            // The copy is there also where the cut came behind the migration, and no later start makes one.
            assert_eq!([version(&copy), version(&path)], [earlier, present], "after {moment}");
            for path in [&path, &copy] {
                assert_eq!(differences(&golden(earlier), path), [""; 0], "after {moment}: {path:?}");
            }
        }
        println!(
            "upgrade from version {earlier}: cut after each of {} notes; forgotten in all: {all}",
            notes.len()
        );
        assert!(all > 0, "nothing was ever forgotten");
    }
}
