//! The disk and the database: full, locked by somebody else, restored to an older state.

use super::is_elsewhere;
use crate::fresh::{number, text};
use crate::raw;
use crate::shared::Phase;
use crate::small_volume::can_mount;
use crate::world::World;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// Refusals to wait for while nothing can be written.
const PUT_OFF: u64 = 8;
/// Acknowledgements until then: what the log has room for already is still taken when the disk is full.
const UNTIL_FULL: u64 = 20_000;

/// Another process holds the database's write lock: writes are put off, reads served, nothing is acknowledged.
pub(crate) async fn locked(world: &mut World) {
    if is_elsewhere() {
        return;
    }
    let db = rusqlite::Connection::open(world.place.data.join("chat.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    // What was committed before is answered first.
    refused(world).await;
    let acked = world.shared.record().acked;
    refused(world).await;
    if world.shared.record().acked != acked {
        world.shared.violate("acked_once", "something was acknowledged while nothing could be written");
    }
    reads(world).await;
    db.execute_batch("ROLLBACK").unwrap();
}

/// The disk is full, more than once, and has room again: in a world of its own on a small file system.
pub(crate) async fn full(world: &mut World) {
    if is_elsewhere() {
        return;
    }
    let probe = world.dir().join("probe");
    std::fs::create_dir_all(&probe).unwrap();
    if !can_mount(&probe) {
        eprintln!("Passed over: a file system cannot be mounted here.");
        return;
    }
    let small = Box::pin(World::new(&world.plan, true)).await;
    let filler = small.server().sees(&small.place.volume.clone().unwrap()).join("filler");
    for _ in 0..2 {
        small.shared.set_phase(Phase::Load);
        small.goes_on("before the disk is full", small.plan.load).await;
        fill(&filler);
        refused(&small).await;
        reads(&small).await;
        std::fs::remove_file(&filler).unwrap();
        small.goes_on("when the disk has room again", small.plan.load / 2).await;
        small.look().await;
    }
    let acked = small.shared.record().acked;
    world.shared.change(|record| record.acked += acked);
    if let Err((found, kept)) = small.end().await {
        for violation in found {
            let what = format!("{} (its history: {})", violation.what, kept.display());
            world.shared.violate(violation.check, what);
        }
    }
}

/// Takes all the room that is left.
fn fill(filler: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

/// Waits until writes are put off.
async fn refused(world: &World) {
    world.shared.allow(UNTIL_FULL);
    let before = world.shared.record().put_off;
    if !world.shared.until(|record| record.put_off >= before + PUT_OFF).await {
        world.shared.violate("says_so", "writes are not put off while nothing can be written");
    }
    world.shared.change(|record| record.allowed = record.acked);
}

/// What is there is served.
async fn reads(world: &World) {
    let path = "/conversations/1/messages?limit=200";
    match raw::call(world.address(), &world.people[0].token, "GET", path, None).await {
        Ok((200, _)) => {}
        other => world.shared.violate("reads_served", format!("{other:?}")),
    }
}

/// A backup under load, more load, and the backup restored: clients have seen more than there is.
pub(crate) async fn restored(world: &mut World) {
    if is_elsewhere() {
        return;
    }
    let name = format!("{}.backup", world.chance.next());
    let backup = world.dir().join(name);
    let path = backup.to_str().unwrap().to_owned();
    let before = world.shared.record().model.acked_places();
    run(world, &["backup", &path]).await;
    world.goes_on("after the backup", world.plan.load / 2).await;
    world.shared.address.send_replace(None);
    let code = world.take_server().stop().await;
    if code != Some(0) {
        world.shared.violate("stops", format!("{code:?}"));
    }
    run(world, &["restore", &path]).await;
    let epoch = world.shared.record().epoch.clone();
    let server = crate::server::Server::start(&world.place);
    let at = server.address;
    world.begin_anew(at).await;
    let login = &world.people[0];
    let page = raw::call(at, &login.token, "GET", "/conversations/1/messages?limit=1", None).await;
    let (_, page) = page.unwrap_or_default();
    if Some(text(&page, "epoch")) == epoch {
        world.shared.violate("epoch", "the epoch is that of before the restore");
    }
    let beyond = json!(number(&page, "head_rev") + 1000);
    let changes = format!("/conversations/1/changes?since={beyond}");
    if !matches!(raw::call(at, &login.token, "GET", &changes, None).await, Ok((200, _))) {
        world.shared.violate("changes", "whoever has more than there is gets no answer");
    }
    let record = world.shared.record();
    let missing = before.iter().filter(|place| !record.model.texts.contains_key(place)).count();
    drop(record);
    if missing > 0 {
        world.shared.violate("acked_once", format!("{missing} messages of before the backup are not in it"));
    }
    world.shared.address.send_replace(Some(at));
    world.server = Some(server);
}

/// Runs a command of the program, while clients go on.
async fn run(world: &World, arguments: &[&str]) {
    let (place, owned) = (world.place.clone(), arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
    let running =
        tokio::task::spawn_blocking(move || place.run(&owned.iter().map(String::as_str).collect::<Vec<_>>()));
    let output = running.await.unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        world.shared.violate("commands", format!("{arguments:?}: {said}"));
    }
}
