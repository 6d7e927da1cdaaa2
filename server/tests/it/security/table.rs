//! The table in `SECURITY.md` is true: it has every number, and the tests that it names are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENT: &str = include_str!("../../../../SECURITY.md");
/// The last number.
const CHECKS: usize = 82;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands in the last column, by number.
fn rows() -> BTreeMap<usize, &'static str> {
    let mut rows = BTreeMap::new();
    for line in DOCUMENT.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [number, what, shown] = cells[..]
            && let Ok(number) = number.parse()
        {
            assert!(!what.is_empty(), "{number} says nothing");
            assert_eq!(rows.insert(number, shown), None, "{number} is there twice");
        }
    }
    rows
}

/// The tests that a cell names: the file without its ending, and the begin of the name.
fn tests(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    cell.split('`').skip(1).step_by(2).filter_map(|name| name.rsplit_once("::"))
}

/// The text of a file that tests are in.
fn source(path: &str) -> Option<String> {
    let places = [format!("server/tests/it/{path}.rs"), format!("{path}.rs"), format!("{path}.mjs")];
    places.iter().find_map(|place| fs::read_to_string(root().join(place)).ok())
}

#[test]
fn every_number_is_there_and_says_how_it_is_shown_or_that_it_is_not() {
    let rows = rows();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=CHECKS).collect::<Vec<_>>());
    for (number, cell) in rows {
        let is_said = cell.contains("Not there") || cell.contains("Open");
        assert!(is_said || tests(cell).next().is_some(), "{number}: {cell}");
    }
}

#[test]
fn every_test_that_is_named_is_there() {
    for (number, cell) in rows() {
        for (path, name) in tests(cell) {
            let text = source(path).unwrap_or_else(|| panic!("{number}: there is no file for {path}"));
            let (begin, rest) = match name.strip_suffix('…') {
                Some(begin) => (begin, ""),
                None => (name, "("),
            };
            let found = text.contains(&format!("fn {begin}{rest}"))
                || text.contains(&format!("test('{}", begin.trim_end()));
            assert!(found, "{number}: there is no {name} in {path}");
        }
    }
}

/// Every test below this directory that is called after a number, with its file.
fn numbered(directory: &Path, found: &mut Vec<(usize, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            numbered(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let file = path.with_extension("");
            let file = file.strip_prefix(root()).unwrap().to_str().unwrap();
            let file = file.strip_prefix("server/tests/it/").unwrap_or(file);
            let numbers = text.split("fn check_").skip(1).filter_map(|rest| rest.get(..2)?.parse().ok());
            found.extend(numbers.map(|number| (number, file.to_owned())));
        }
    }
}

#[test]
fn every_test_that_is_called_after_a_number_stands_in_its_row() {
    let mut found = Vec::new();
    for directory in ["server/src", "server/tests/it", "shared/tests", "tui/src", "tui/tests"] {
        numbered(&root().join(directory), &mut found);
    }
    assert!(found.len() > 60, "{found:?}");
    let rows = rows();
    for (number, file) in found {
        let named = tests(rows[&number]).any(|(path, name)| path == file && name.starts_with("check_"));
        assert!(named, "check {number} in {file} is not in SECURITY.md");
    }
}
