//! The reference in docs/ says what the program's tables say.

use std::path::Path;

#[test]
fn the_reference_is_made_from_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/keys.md");
    let page = chat_tui::reference::page();
    if std::env::var_os("CHAT_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == page,
        "docs/keys.md is not what the tables say: run this test once with CHAT_WRITE_DOCS=1"
    );
}
