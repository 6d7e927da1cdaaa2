//! Which of the places is the primary: the one that can be written to, keeps what it confirms, and is no earlier one that
//! came back.

use super::address::Ready;
use super::connection::Connection;
use super::open::{META, OpenError, PATIENCE, version};
use super::seen::{Lineage, Seen};
use super::tx::Fault;
use crate::planted::{Bug, planted};
use std::time::{Duration, Instant};

/// PostgreSQL below this is not looked after any more.
const VERSION_MIN: i64 = 14;

/// How long a PostgreSQL is waited for that says that it starts (after a crash it puts itself in order first), or
/// several that all stand by for another.
const START_WAIT: Duration = Duration::from_secs(120);
/// How long one is waited for that cannot be reached: when a machine starts, everything on it does at once.
const REACH_WAIT: Duration = Duration::from_secs(10);
/// Between two looks at it.
const START_PAUSE: Duration = Duration::from_millis(200);
/// PostgreSQL finds out within 7 seconds that the other side of a connection is gone without a word. By itself it would
/// keep the lock for hours.
const ATTENTION: &str =
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_user_timeout = '5s'";

/// A database that can be written to.
pub(super) struct Found {
    pub(super) db: Connection,
    pub(super) lineage: Option<Lineage>,
}

/// Connects, and waits for a PostgreSQL that will be there.
pub(super) fn connect_in_time(ready: &Ready, seen: Option<&Seen>) -> Result<Found, OpenError> {
    let mut was_told = false;
    let mut since: Option<(u8, Instant)> = None;
    loop {
        let error = match connect(ready, PATIENCE, seen) {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let is_one_of_several = ready.places.len() > 1;
        let wait = match error {
            OpenError::Starting(_) => START_WAIT,
            OpenError::Standby | OpenError::Superseded if is_one_of_several => START_WAIT,
            OpenError::Unreachable(_) => REACH_WAIT,
            _ => Duration::ZERO,
        };
        // What goes on another way is waited for anew.
        let begun = since.filter(|(kind, _)| *kind == hope(&error)).map_or_else(Instant::now, |(_, at)| at);
        since = Some((hope(&error), begun));
        if begun.elapsed() >= wait {
            return Err(error);
        }
        if !std::mem::replace(&mut was_told, true) {
            tracing::warn!(%error, "waiting for the database");
        }
        std::thread::sleep(START_PAUSE);
    }
}

/// Connects to whichever of the places can be written to; where none can, says what gives most hope.
pub(super) fn connect(ready: &Ready, patience: Duration, seen: Option<&Seen>) -> Result<Found, OpenError> {
    let mut told: Option<OpenError> = None;
    for at in ready.order() {
        match connect_to(ready, at, patience, seen) {
            Ok(found) => {
                ready.choose(at);
                return Ok(found);
            }
            Err(error) => {
                if told.as_ref().is_none_or(|told| hope(&error) > hope(told)) {
                    told = Some(error);
                }
            }
        }
    }
    Err(told.unwrap_or_else(|| OpenError::Unreachable("no place is named".to_owned())))
}

fn hope(error: &OpenError) -> u8 {
    match error {
        OpenError::Unreachable(_) => 1,
        OpenError::Superseded => 2,
        OpenError::Standby => 3,
        OpenError::Starting(_) => 4,
        _ => 0,
    }
}

/// Connects, checks that PostgreSQL can keep what is promised, and sets what a writer needs.
fn connect_to(ready: &Ready, at: usize, patience: Duration, seen: Option<&Seen>) -> Result<Found, OpenError> {
    let db = Connection::open(ready, at, patience)?;
    let (release, fsync, encoding, is_standby, schema) = db
        .row(
            "SELECT current_setting('server_version_num')::bigint, current_setting('fsync'),
                    current_setting('server_encoding'), pg_is_in_recovery(), current_schema()::text",
            &[],
            |row| {
                Ok((
                    row.try_get::<_, i64>(0)?,
                    row.try_get::<_, String>(1)?,
                    row.try_get::<_, String>(2)?,
                    row.try_get::<_, bool>(3)?,
                    row.try_get::<_, Option<String>>(4)?,
                ))
            },
        )?
        .ok_or(Fault::Missing)?;
    if release / 10_000 < VERSION_MIN {
        return Err(OpenError::TooOld(release / 10_000));
    }
    if fsync != "on" {
        return Err(OpenError::NotDurable);
    }
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    if is_standby {
        return Err(OpenError::Standby);
    }
    if schema.is_none() {
        return Err(OpenError::NoSchema);
    }
    let lineage = lineage(&db)?;
    if let Some(seen) = seen
        && let (Some(before), Some(lineage)) = (&seen.lineage, &lineage)
        && lineage.is_before(before)
        && version(&db)? > 0
        && db.value::<String>(META, &[&"epoch"])? == seen.epoch
    {
        return Err(OpenError::Superseded);
    }
    // No statement_timeout: where PostgreSQL waits for a standby before it confirms a commit, that would end the
    // waiting and confirm all the same. Who does not answer in time is hung up on instead.
    db.batch(
        "SET synchronous_commit = on; SET lock_timeout = '2400ms'; SET statement_timeout = 0;
         SET idle_in_transaction_session_timeout = '60s'",
    )?;
    db.batch(ATTENTION)?;
    // Whatever is written is found by a key; a plan that was made while a table was small must not look through all of
    // it when it is large.
    db.batch(
        "SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off",
    )?;
    if planted(Bug::FlushSkipped) {
        db.batch("SET synchronous_commit = off")?;
    }
    Ok(Found { db, lineage })
}

/// Where PostgreSQL's log has come to. `None`: this one does not tell everybody.
fn lineage(db: &Connection) -> Result<Option<Lineage>, Fault> {
    let sql = "SELECT system_identifier::text,
                      ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
                 FROM pg_control_system()";
    match db.row(sql, &[], |row| Ok(Lineage { system: row.try_get(0)?, timeline: row.try_get(1)? })) {
        Err(Fault::Postgres(_)) => Ok(None),
        told => told,
    }
}
