//! That both databases have one model: `schema.sql`, which SQLite's migrations end in, and what PostgreSQL's end in are
//! told in the same words, and compared.

use super::tests::{place, store};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// Flags: `BOOLEAN` in PostgreSQL, where SQLite has whole numbers only.
const FLAGS: [&str; 3] = ["directs.low_wrote", "directs.high_wrote", "members.marked_unread"];

/// What a condition is about: its names and texts, in whatever form it is written.
fn words(condition: &str) -> String {
    let plain = condition.replace("::text", "").to_lowercase();
    let words = plain.split(|c: char| !c.is_ascii_alphanumeric() && !"_'<>".contains(c));
    let meant = words.filter(|word| !word.is_empty() && !["check", "in", "any", "array"].contains(word));
    meant.collect::<Vec<_>>().join(" ")
}

fn sqlite() -> BTreeSet<String> {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(include_str!("../../../../schema.sql")).unwrap();
    let rows = |sql: &str| -> Vec<Vec<String>> {
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let text = |value: rusqlite::types::Value| match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            _ => String::new(),
        };
        let rows = statement.query_map([], |row| (0..columns).map(|at| Ok(text(row.get(at)?))).collect());
        rows.unwrap().map(Result::unwrap).collect()
    };
    let mut model = BTreeSet::new();
    for table in rows("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    {
        let (name, sql) = (&table[0], &table[1]);
        let columns = rows(&format!(
            "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo('{name}')"
        ));
        for column in &columns {
            let full = format!("{name}.{}", column[0]);
            let kind = match column[1].as_str() {
                _ if FLAGS.contains(&full.as_str()) => "boolean",
                "INTEGER" => "bigint",
                "TEXT" => "text",
                _ => "bytea",
            };
            let is_key = column[4] != "0";
            let not_null = if column[2] == "1" || is_key { " not null" } else { "" };
            let identity = if is_key && sql.contains("AUTOINCREMENT") { " identity" } else { "" };
            let generated = if column[5] == "2" { " generated" } else { "" };
            let default =
                if column[3].is_empty() { String::new() } else { format!(" default {}", column[3]) };
            model.insert(format!("{full} {kind}{not_null}{identity}{generated}{default}"));
        }
        let indexes = rows(&format!(
            "SELECT l.name, l.origin, l.\"unique\", coalesce(s.sql, '') FROM pragma_index_list('{name}') l
             LEFT JOIN sqlite_schema s ON s.name = l.name"
        ));
        // A whole number that is the key needs no index.
        if indexes.iter().all(|index| index[1] != "pk") {
            let key = columns.iter().filter(|column| column[4] != "0").map(|column| column[0].as_str());
            model.insert(format!("{name} key ({})", key.collect::<Vec<_>>().join(", ")));
        }
        for index in indexes {
            let columns = rows(&format!("SELECT name FROM pragma_index_info('{}') ORDER BY seqno", index[0]));
            let columns = columns.concat().join(", ");
            let (own, unique) = (index[1] == "c", index[2] == "1");
            let kind = if index[1] == "pk" {
                "key"
            } else if unique {
                "unique"
            } else {
                "index"
            };
            let name_of = if own { format!(" {}", index[0]) } else { String::new() };
            let of =
                index[3].split(" WHERE ").nth(1).map_or(String::new(), |of| format!(" where {}", words(of)));
            model.insert(format!("{name} {kind}{name_of} ({columns}){of}"));
        }
        for key in rows(&format!("SELECT \"from\", \"table\" FROM pragma_foreign_key_list('{name}')")) {
            model.insert(format!("{name} ({}) of {}", key[0], key[1]));
        }
        // Up to the parenthesis that ends the list of words, or the condition.
        for check in sql.split("CHECK (").skip(1) {
            model.insert(format!("{name} check {}", words(check.split(')').next().unwrap())));
        }
    }
    model
}

const COLUMNS: &str = "SELECT table_name || '.' || column_name || ' ' || data_type
       || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
       || CASE is_identity WHEN 'YES' THEN ' identity' ELSE '' END
       || CASE is_generated WHEN 'ALWAYS' THEN ' generated' ELSE '' END
       || coalesce(' default ' || replace(replace(column_default, '::text', ''), 'false', '0'), '')
     FROM information_schema.columns WHERE table_schema = current_schema()";

const INDEXES: &str = "SELECT t.relname || CASE WHEN i.indisprimary THEN ' key' WHEN i.indisunique THEN ' unique' ELSE ' index' END
       || CASE WHEN c.oid IS NULL THEN ' ' || n.relname ELSE '' END || ' ('
       || (SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number) || ')'
       || coalesce(' where ' || pg_get_expr(i.indpred, i.indrelid), '')
     FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid
     LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
     WHERE t.relnamespace = current_schema()::regnamespace";

const REFERENCES: &str = "SELECT t.relname || ' (' || a.attname || ') of ' || o.relname FROM pg_constraint c
     JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class o ON o.oid = c.confrelid
     JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
     WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace";

const CHECKS: &str = "SELECT t.relname || ' check ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
     JOIN pg_class t ON t.oid = c.conrelid
     WHERE c.contype = 'c' AND c.connamespace = current_schema()::regnamespace";

#[tokio::test]
async fn both_databases_have_one_model() {
    let (_dir, place) = place();
    let (_store, _) = store(&place);
    let condition = |line: String, word: &str| match line.split_once(word) {
        Some((before, condition)) => format!("{before}{word}{}", words(condition)),
        None => line,
    };
    let mut postgres = BTreeSet::new();
    postgres.extend(place.order(COLUMNS).unwrap());
    postgres.extend(place.order(INDEXES).unwrap().into_iter().map(|line| condition(line, " where ")));
    postgres.extend(place.order(REFERENCES).unwrap());
    postgres.extend(place.order(CHECKS).unwrap().into_iter().map(|line| condition(line, " check ")));
    let sqlite = sqlite();
    let not_in = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        one.difference(other).cloned().collect()
    };
    let (missing, added) = (not_in(&sqlite, &postgres), not_in(&postgres, &sqlite));
    assert!(missing.is_empty() && added.is_empty(), "missing: {missing:#?}, added: {added:#?}");
    assert!(sqlite.len() > 100, "{sqlite:#?}");
}
