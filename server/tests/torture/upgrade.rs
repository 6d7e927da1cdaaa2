//! The first start of a newer program, which brings the schema of a database up to date, is killed at any moment. The
//! next one brings it to its end, with nothing lost, and the copy from before is there.

use crate::chance::Chance;
use crate::golden_files::{database, differences, golden, lay, version};
use crate::server::{Place, Server, Starting};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Starts that are killed, at the least; how many of them in the midst of the copy, and of the migration; and how many
/// are enough to say that chance cannot be why there were no more of those.
const KILLS: usize = 50;
const OF_EACH: usize = 5;
const ENOUGH: usize = 8 * KILLS;
/// Messages besides those of the golden database, so that an upgrade takes long enough to be hit.
const MESSAGES: i64 = 8_000;

/// How far an upgrade had come when it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    /// Nothing.
    Nothing,
    /// A part of the copy.
    HalfACopy,
    /// The whole copy, and no part of the migration that would stay.
    TheCopy,
    /// The new version.
    TheEnd,
}

/// A larger database of an earlier version, and a data directory to upgrade it in.
struct Scene {
    dir: TempDir,
    earlier: PathBuf,
    versions: [i64; 2],
    place: Place,
}

impl Scene {
    fn new(earlier: i64, present: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("earlier");
        fs::copy(golden(earlier), &path).unwrap();
        enlarge(&path);
        let place = Place::new(dir.path().join("data"), dir.path().join("log"));
        Self { dir, earlier: path, versions: [earlier, present], place }
    }

    /// Lays the earlier database, and nothing else, into the data directory.
    fn lay(&self) {
        let _ = fs::remove_dir_all(&self.place.data);
        lay(&self.earlier, &self.place.data);
    }

    fn copy(&self, ending: &str) -> PathBuf {
        self.place.data.join(format!("chat.before-v{}.{ending}", self.versions[1]))
    }

    /// Waits until a start begins to copy.
    fn wait_for_the_copy(&self) {
        let until = Instant::now() + crate::PATIENCE;
        while !["copying", "backup"].iter().any(|ending| self.copy(ending).exists()) {
            assert!(Instant::now() < until, "no copy was begun");
            std::thread::yield_now();
        }
    }

    /// How far it has come, found out without touching anything: opening a database may change it.
    fn reached(&self) -> Reached {
        let look = self.dir.path().join("look");
        let _ = fs::remove_dir_all(&look);
        fs::create_dir(&look).unwrap();
        for file in ["chat.db", "chat.db-wal"] {
            if self.place.data.join(file).exists() {
                fs::copy(self.place.data.join(file), look.join(file)).unwrap();
            }
        }
        match version(&database(&look)) {
            version if version == self.versions[1] => Reached::TheEnd,
            _ if self.copy("copying").exists() => Reached::HalfACopy,
            _ if self.copy("backup").exists() => Reached::TheCopy,
            _ => Reached::Nothing,
        }
    }

    /// Everything is there, in the new version, and in the copy as it was.
    fn check(&self) {
        let (path, copy) = (database(&self.place.data), self.copy("backup"));
        assert_eq!([version(&copy), version(&path)], self.versions);
        assert!(!self.copy("copying").exists(), "half a copy was left");
        for path in [path, copy] {
            assert_eq!(differences(&self.earlier, &path), [""; 0], "{path:?}");
        }
    }
}

/// Puts many messages into the first group, and removes what a server purges: it would do so beside what is looked at.
fn enlarge(path: &Path) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "BEGIN;
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MESSAGES})
         INSERT INTO messages (id, rev, sender_id, send_id, kind, body, sent_at)
         SELECT (c.id << 32) + c.head_rev + n, c.head_rev + n, 1, randomblob(16), 'text',
                'text ' || n || ' of many, which is as long as what people write', c.created_at + n
         FROM n, conversations c WHERE c.id = 1;
         UPDATE conversations SET head_rev = head_rev + {MESSAGES}, last_seq = head_rev + {MESSAGES} WHERE id = 1;
         DELETE FROM messages WHERE conversation_id IN (SELECT id FROM conversations WHERE deleted_at IS NOT NULL);
         UPDATE conversations SET head_rev = 0, last_seq = 0 WHERE deleted_at IS NOT NULL;
         COMMIT;"
    ))
    .unwrap();
}

/// The version that this program makes.
fn present() -> i64 {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path().join("data"), dir.path().join("log"));
    Server::start(&place).kill();
    version(&database(&place.data))
}

/// How often an upgrade was killed, by how far it had come.
type Killed = BTreeMap<Reached, usize>;

/// Kills upgrades for as long as it is to go on.
fn kill_upgrades(scene: &Scene, seed: u64, goes_on: impl Fn(&Killed) -> bool) -> Killed {
    let (mut chance, mut killed) = (Chance::new(seed, "upgrade"), Killed::new());
    scene.lay();
    let begun = Instant::now();
    let starting = Starting::spawn(&scene.place);
    scene.wait_for_the_copy();
    let before = begun.elapsed();
    starting.listens(&scene.place).kill();
    // Of the time that is left when the copy was begun: shorter where kills come too late, longer where they do not.
    let mut span = begun.elapsed() - before;
    scene.check();
    while goes_on(&killed) {
        scene.lay();
        let mut is_first = true;
        // What one start has left may be what the next one is killed over.
        while is_first || goes_on(&killed) && chance.one_in(3) {
            let starting = Starting::spawn(&scene.place);
            let mut moment = span;
            if is_first && !chance.one_in(5) {
                scene.wait_for_the_copy();
            } else {
                moment += before;
            }
            std::thread::sleep(Duration::from_micros(chance.below(moment.as_micros() as usize) as u64));
            starting.kill();
            let reached = scene.reached();
            *killed.entry(reached).or_default() += 1;
            span = span.mul_f64(if reached == Reached::TheEnd { 0.8 } else { 1.1 });
            is_first = false;
            if reached == Reached::TheEnd {
                break;
            }
        }
        Server::start(&scene.place).kill();
        scene.check();
    }
    killed
}

#[test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
fn an_upgrade_may_be_killed_at_any_moment() {
    let mode = crate::mode();
    if !mode.is_empty() && mode != "upgrade" {
        return;
    }
    let seed = crate::setting("CHAT_TORTURE_SEED").unwrap_or(1);
    let present = present();
    let seconds = crate::setting("CHAT_TORTURE_SECONDS").unwrap_or(0) / (present - 1).unsigned_abs();
    for earlier in 1..present {
        let until = Instant::now() + Duration::from_secs(seconds);
        let scene = Scene::new(earlier, present);
        let killed = kill_upgrades(&scene, seed, |killed| {
            let all: usize = killed.values().sum();
            let of = |reached| killed.get(&reached).copied().unwrap_or(0);
            let in_both = of(Reached::HalfACopy).min(of(Reached::TheCopy));
            assert!(all < ENOUGH || in_both >= OF_EACH, "too few kills fell into an upgrade: {killed:?}");
            all < KILLS || in_both < OF_EACH || Instant::now() < until
        });
        println!("upgrade from version {earlier} to {present}: killed when it had reached {killed:?}");
    }
}
