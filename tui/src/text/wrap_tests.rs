use super::*;
use crate::text::markdown;
use proptest::prelude::*;

fn rows(text: &str, width: u16) -> Vec<String> {
    wrap(&markdown::parse(&SafeText::block(text)), width).iter().map(Row::text).collect()
}

#[test]
fn where_rows_break() {
    for (text, width, expected) in [
        ("", 5, vec![""]),
        ("one two three", 7, vec!["one two", "three"]),
        ("one two three", 8, vec!["one two", "three"]),
        ("one   two", 5, vec!["one", "two"]),
        ("abcdefghij", 4, vec!["abcd", "efgh", "ij"]),
        ("ab cdefghij", 4, vec!["ab", "cdef", "ghij"]),
        ("a\n\nb", 4, vec!["a", "", "b"]),
        ("  ab cd", 5, vec!["  ab", "cd"]),
        ("漢字漢字", 5, vec!["漢字", "漢字"]),
        ("ab漢字", 3, vec!["ab", "漢", "字"]),
        ("漢a", 1, vec!["\u{FFFD}", "a"]),
        ("👨\u{200d}👩\u{200d}👧x", 2, vec!["👨\u{200d}👩\u{200d}👧", "x"]),
        ("e\u{301}e\u{301}e\u{301}", 2, vec!["e\u{301}e\u{301}", "e\u{301}"]),
        ("**bo**ld word", 5, vec!["**bo*", "*ld", "word"]),
        ("**one two** three", 9, vec!["one two", "three"]),
        ("> one two", 7, vec!["▎ one", "▎ two"]),
        ("- one two", 7, vec!["• one", "  two"]),
        ("  12. one two", 10, vec![" 12. one", "     two"]),
        ("> x", 3, vec!["x"]),
        ("- x", 1, vec!["x"]),
        ("```\na  b c d\n\n  x\n```", 4, vec!["a  b", " c d", "", "  x"]),
        ("```rust\nlet a = 1;\n\n  x\n```", 12, vec!["▏ rust", "▏ let a = 1;", "▏ ", "▏   x"]),
        ("```\nlet long = 12345;\ny\n```", 12, vec!["▏ let long =", "↪  12345;", "▏ y"]),
        ("> ```a-long-language\n> x\n> ```", 12, vec!["▎ ▏ a-long-…", "▎ ▏ x"]),
        ("a ", 1, vec!["a"]),
        ("a  b", 3, vec!["a", "b"]),
        ("שלום עולם", 5, vec!["שלום", "עולם"]),
    ] {
        assert_eq!(rows(text, width), expected, "{text:?} at {width}");
    }
}

#[test]
fn continuation_rows_hang() {
    let spans = [Span::plain(SafeText::line("one two three"))];
    let rows: Vec<_> = wrap_line(&spans, 7, 2).iter().map(Row::text).collect();
    assert_eq!(rows, ["one two", "  three"]);
    let rows: Vec<_> = wrap_line(&spans, 1, 2).iter().map(Row::text).collect();
    assert_eq!(rows.concat(), "onetwothree");
}

fn placed(text: &str, limit: u16) -> String {
    width::clusters(text)
        .map(
            |cluster| if cluster.width > limit { REPLACEMENT.to_owned() } else { cluster.shown().to_owned() },
        )
        .collect()
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| *c != ' ').collect()
}

proptest! {
    #[test]
    fn rows_fit_and_keep_the_text(text in any::<String>(), columns in 1_u16..=200, hang in 0_u16..20) {
        let line = SafeText::line(&text);
        let spans = [Span::plain(line.clone())];
        let rows = wrap_line(&spans, columns, hang);
        for row in &rows {
            prop_assert!(row.width() <= columns);
            prop_assert_eq!(width::width(&row.text()), usize::from(row.width()));
        }
        let limit = columns - hang.min(columns / 2);
        let joined: String = rows.iter().map(Row::text).collect();
        prop_assert_eq!(without_space(&joined), without_space(&placed(line.as_ref(), limit)));

        let rows = cut(&spans, columns);
        prop_assert!(rows.iter().all(|row| row.width() <= columns));
        let joined: String = rows.iter().map(Row::text).collect();
        prop_assert_eq!(joined, placed(line.as_ref(), columns));
    }

    #[test]
    fn messages_fit(text in r"([*_~`>\[\]()\\ \n.a漢@#1-]|https://|\u{301}|👍|```\n|- |> ){0,60}", columns in 1_u16..=200) {
        for row in wrap(&markdown::parse(&SafeText::block(&text)), columns) {
            prop_assert!(row.width() <= columns, "{:?}", row);
            let widths: u16 = row.segments().iter().map(Segment::width).sum();
            prop_assert_eq!(widths, row.width());
        }
    }
}
