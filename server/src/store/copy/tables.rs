//! The tables that are copied, and their columns.

use super::{Row, Value};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    Integer,
    Flag,
    Text,
    Bytes,
}

/// A table. What is made from other columns is none of its columns.
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) columns: &'static [(&'static str, Kind)],
    /// How many of the columns, from the first, are its key.
    pub(in crate::store) key: usize,
    /// Which column names the conversation that a row belongs to.
    conversation: Option<usize>,
}

use Kind::{Bytes, Flag, Integer, Text};

/// Every table but `meta`, each after those that it refers to.
pub(in crate::store) const TABLES: &[Table] = &[
    Table {
        name: "users",
        columns: &[
            ("id", Integer),
            ("username", Text),
            ("display_name", Text),
            ("status_text", Text),
            ("password_hash", Text),
            ("created_at", Integer),
            ("last_seen_at", Integer),
            ("disabled_at", Integer),
            ("deleted_at", Integer),
        ],
        key: 1,
        conversation: None,
    },
    Table {
        name: "sessions",
        columns: &[
            ("id", Text),
            ("user_id", Integer),
            ("device_name", Text),
            ("created_at", Integer),
            ("last_seen_at", Integer),
            ("expires_at", Integer),
            ("generation", Integer),
            ("token_hash", Bytes),
            ("previous_hash", Bytes),
        ],
        key: 1,
        conversation: None,
    },
    Table {
        name: "invites",
        columns: &[
            ("id", Integer),
            ("code_hash", Bytes),
            ("note", Text),
            ("created_at", Integer),
            ("expires_at", Integer),
            ("uses_left", Integer),
        ],
        key: 1,
        conversation: None,
    },
    Table {
        name: "conversations",
        columns: &[
            ("id", Integer),
            ("kind", Text),
            ("head_rev", Integer),
            ("last_seq", Integer),
            ("member_count", Integer),
            ("created_at", Integer),
            ("deleted_at", Integer),
        ],
        key: 1,
        conversation: Some(0),
    },
    Table {
        name: "groups",
        columns: &[("conversation_id", Integer), ("name", Text), ("topic", Text), ("visibility", Text)],
        key: 1,
        conversation: Some(0),
    },
    Table {
        name: "directs",
        columns: &[
            ("low_user", Integer),
            ("high_user", Integer),
            ("conversation_id", Integer),
            ("low_wrote", Flag),
            ("high_wrote", Flag),
        ],
        key: 2,
        conversation: Some(2),
    },
    Table {
        name: "members",
        columns: &[
            ("conversation_id", Integer),
            ("user_id", Integer),
            ("role", Text),
            ("joined_at", Integer),
            ("read_seq", Integer),
            ("level", Text),
            ("muted_until", Integer),
            ("marked_unread", Flag),
        ],
        key: 2,
        conversation: Some(0),
    },
    Table {
        name: "messages",
        columns: &[
            ("id", Integer),
            ("rev", Integer),
            ("sender_id", Integer),
            ("send_id", Bytes),
            ("kind", Text),
            ("body", Text),
            ("sent_at", Integer),
            ("edited_at", Integer),
            ("deleted_at", Integer),
            ("reply_to", Integer),
            ("reply_count", Integer),
            ("mentions", Text),
            ("event", Text),
        ],
        key: 1,
        // Above bit 32 of it.
        conversation: Some(0),
    },
    Table {
        name: "retired_sends",
        columns: &[
            ("sender_id", Integer),
            ("send_id", Bytes),
            ("conversation_id", Integer),
            ("seq", Integer),
            ("sent_at", Integer),
        ],
        key: 2,
        conversation: Some(2),
    },
    Table {
        name: "edits",
        columns: &[
            ("conversation_id", Integer),
            ("seq", Integer),
            ("rev", Integer),
            ("editor_id", Integer),
            ("edit_id", Bytes),
            ("body", Text),
            ("edited_at", Integer),
        ],
        key: 3,
        conversation: Some(0),
    },
    Table {
        name: "reactions",
        columns: &[
            ("conversation_id", Integer),
            ("seq", Integer),
            ("emoji", Text),
            ("user_id", Integer),
            ("rev", Integer),
        ],
        key: 4,
        conversation: Some(0),
    },
];

/// Tables whose ids are never used twice, also after the row is gone.
pub(in crate::store) const NUMBERED: [&str; 3] = ["users", "invites", "conversations"];

impl Table {
    /// The columns' names, to be selected or inserted.
    pub(in crate::store) fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The key's.
    pub(in crate::store) fn key_names(&self) -> String {
        self.columns[..self.key].iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn conversation_of(&self, row: &Row) -> i64 {
        match self.conversation.map(|column| &row[column]) {
            Some(Value::Integer(key)) if self.name == "messages" => key >> 32,
            Some(Value::Integer(conversation)) => *conversation,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_is_left_out() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../../../schema.sql")).unwrap();
        let columns = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let tables = columns(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'meta'",
        );
        assert_eq!(tables.len(), TABLES.len());
        for table in TABLES {
            let mut found = columns(&format!(
                "SELECT name FROM pragma_table_xinfo('{}') WHERE hidden = 0 ORDER BY pk = 0, pk, cid",
                table.name
            ));
            found.sort_unstable();
            let mut copied: Vec<_> = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            let key = columns(&format!(
                "SELECT name FROM pragma_table_xinfo('{}') WHERE pk > 0 ORDER BY pk",
                table.name
            ));
            assert_eq!(copied[..table.key], key, "{}", table.name);
            copied.sort_unstable();
            assert_eq!(copied, found, "{}", table.name);
        }
    }
}
