//! That what is read stays as quick as data grows: every statement that the story takes is asked for its plan, and none
//! looks through a table that grows.

use super::{Opening, SqliteStore};
use crate::store::conformance::{Heard, story};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The database that is watched, and what its connections were asked. SQLite tells it to a function without a place of
/// its own.
static WATCHED: Mutex<Option<PathBuf>> = Mutex::new(None);
static ASKED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Statements that look at everything on purpose.
const WHOLE: &[&str] = &[
    // Ends at the first row.
    "SELECT NOT EXISTS (SELECT 1 FROM users)",
    // A start: who is a member of what.
    "LEFT JOIN directs d ON d.conversation_id = c.id WHERE c.deleted_at IS NULL",
    // For metrics and the operator.
    "SELECT count(*) FROM users",
    "SELECT count(*) FROM sessions",
    "SELECT count(*) FROM conversations",
];

/// A step that goes through deleted groups only, of which each is left by its row.
const DELETED: &str = "SCAN conversations USING INDEX conversations_deleted";

/// Statements that sort what they found, which is little.
const SORTED: &[&str] = &[
    // The sessions of a user, of which there are few.
    "DELETE FROM sessions WHERE id IN",
    // The reactions to a message.
    "FROM reactions r JOIN users u",
    // The members of a group whose only owner's account is deleted.
    "ORDER BY role = 'moderator' DESC",
];

/// Takes note of what a connection to the watched database is asked from now on.
pub(super) fn watch(db: &Connection) {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if watched.is_none_or(|watched| db.path() != watched.to_str()) {
        return;
    }
    let note = |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            ASKED.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned());
        }
    };
    db.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note));
}

/// How SQLite goes about a statement: a line a step.
fn plan(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let unbound = vec![rusqlite::types::Null; statement.parameter_count()];
    let steps = statement.query_map(rusqlite::params_from_iter(unbound), |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

#[tokio::test]
async fn no_statement_looks_through_a_table_that_grows() {
    let (dir, heard) = (tempfile::tempdir().unwrap(), Heard::default());
    let opening = Opening { path: dir.path().join("chat.db"), reserve: 0 };
    *WATCHED.lock().unwrap() = Some(opening.path.clone());
    let store = SqliteStore::open(&opening, heard.clone()).unwrap();
    story(&store, &heard).await;
    let asked: Vec<_> = ASKED.lock().unwrap().iter().cloned().collect();
    let is_query = |sql: &&String| {
        ["SELECT", "UPDATE", "DELETE", "INSERT"].iter().any(|word| sql.trim_start().starts_with(word))
    };
    let db = Connection::open(&opening.path).unwrap();
    let mut looked = 0;
    let mut wrong = Vec::new();
    for sql in asked.iter().filter(is_query) {
        let steps = plan(&db, sql);
        looked += steps.iter().filter(|step| step.starts_with("SEARCH")).count();
        let is_whole = WHOLE.iter().any(|part| sql.contains(part));
        // A subquery has a limit of its own.
        let is_table = |step: &&String| {
            !step.contains("CONSTANT ROW") && !step.contains("(subquery") && *step != DELETED
        };
        let scans = steps.iter().filter(|step| step.starts_with("SCAN")).filter(is_table);
        wrong.extend(scans.filter(|_| !is_whole).map(|step| format!("{step}: {sql}")));
        let is_sorted = SORTED.iter().any(|part| sql.contains(part));
        let sorts = steps.iter().filter(|step| step.starts_with("USE TEMP B-TREE"));
        wrong.extend(sorts.filter(|_| !is_sorted).map(|step| format!("{step}: {sql}")));
    }
    assert!(looked > 50, "the story asks more than that: {looked}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
