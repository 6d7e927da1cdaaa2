use super::*;
use proptest::prelude::*;

const WIDTH: u16 = 11;

/// A script of edits: words in brackets are keys, everything else is typed.
fn run(editor: &mut Editor, script: &str) {
    let mut rest = script;
    while let Some(c) = rest.chars().next() {
        let key = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (edit, after) = match key {
            Some((key, after)) => (named(key), after),
            None => (Edit::Insert(c), &rest[c.len_utf8()..]),
        };
        editor.apply(edit);
        rest = after;
    }
}

fn named(key: &str) -> Edit {
    match key {
        "left" => Edit::Left,
        "right" => Edit::Right,
        "up" => Edit::Up(WIDTH),
        "down" => Edit::Down(WIDTH),
        "ret" => Edit::Newline,
        "a-b" => Edit::WordLeft,
        "a-f" => Edit::WordRight,
        "c-a" => Edit::LineStart,
        "c-e" => Edit::LineEnd,
        "top" => Edit::TextStart,
        "end" => Edit::TextEnd,
        "bs" => Edit::DeleteBack,
        "del" => Edit::DeleteForward,
        "c-k" => Edit::KillToEnd,
        "c-u" => Edit::KillToStart,
        "c-w" => Edit::KillWordBack,
        "a-bs" => Edit::KillWordBackAlt,
        "a-d" => Edit::KillWordForward,
        "c-y" => Edit::Yank,
        "a-y" => Edit::YankPop,
        "c-t" => Edit::Transpose,
        "undo" => Edit::Undo,
        "redo" => Edit::Redo,
        _ => Edit::InsertText(key.to_owned()),
    }
}

/// The text with the cursor as a bar.
fn state(editor: &Editor) -> String {
    let (before, after) = editor.text().split_at(editor.cursor());
    format!("{before}|{after}")
}

#[test]
fn scripts() {
    for (script, expected) in [
        ("ab<left>c", "ac|b"),
        ("ab<left><left><left>", "|ab"),
        ("漢e\u{301}👨\u{200d}👩<bs><bs>", "漢|"),
        ("ab<c-a><del>", "|b"),
        ("one two-three<a-b>", "one two-|three"),
        ("one two<a-b><a-b><a-b>", "|one two"),
        ("one two<c-a><a-f>", "one| two"),
        ("one two<c-a><a-f><a-f><a-f>", "one two|"),
        ("a<ret>bc<c-a>x<c-e>y", "a\nxbcy|"),
        ("a<ret>b<top>x<end>y", "xa\nby|"),
        // Kills.
        ("one two<c-a><c-k>", "|"),
        ("one<ret>two<top><c-k><c-k>", "|two"),
        ("one<ret>two<top><c-k><c-k><c-k><c-y>", "one\ntwo|"),
        ("one<ret>two<c-u><c-u>", "one|"),
        ("one two/three <c-w>", "one |"),
        ("one two/three<a-bs>", "one two/|"),
        ("one two<top><a-d>", "| two"),
        ("one two three<c-w><c-w><c-y>", "one two three|"),
        ("one two<c-w>x<c-w><c-y><a-y>", "one two|"),
        ("one two<c-w>x<c-w><c-y><a-y><a-y>", "one x|"),
        ("one<a-y>", "one|"),
        ("one<c-w><c-y><left><a-y>", "on|e"),
        ("<c-y>", "|"),
        // Transposing.
        ("ab<c-t>", "ba|"),
        ("abc<left><c-t>", "acb|"),
        ("a<c-t>", "a|"),
        ("ab<c-a><c-t>", "|ab"),
        ("a<ret>b<c-t>", "a\nb|"),
        // Undo.
        ("one two<undo>", "one |"),
        ("one two<undo><undo>", "|"),
        ("one two<undo><undo><undo><redo><redo>", "one two|"),
        ("one<left>x<undo>", "on|e"),
        ("one<c-w><undo>", "one|"),
        ("one<undo>x<redo>", "x|"),
        ("one<pasted text>two<undo><undo>", "one|"),
        // Rows: the width is 10 and a place for the cursor.
        ("one two three<up>", "one t|wo three"),
        ("one two three<up><down>", "one two three|"),
        ("abc<ret>d<ret>efg<up><up>", "abc|\nd\nefg"),
        ("abc<up>", "abc|"),
        ("漢字<ret>abc<up>", "漢|字\nabc"),
        // What terminals send.
        ("a\u{1b}\u{0}\u{7f}\u{9b}b\rc", "ab\nc|"),
        ("<x\r\ny\rz\u{0}\t\u{8}>", "x\ny\nz\t|"),
        ("a\u{202e}b", "a\u{202e}b|"),
        // Clusters that come into being around the cursor.
        ("ab<left>\u{301}", "a\u{301}|b"),
        ("\u{301}<left>a", "a\u{301}|"),
        ("🇩🇪<left>🇫", "🇫🇩|🇪"),
    ] {
        let mut editor = Editor::new();
        run(&mut editor, script);
        assert_eq!(state(&editor), expected, "{script:?}");
    }
}

#[test]
fn words_and_replacing() {
    let mut editor = Editor::new();
    run(&mut editor, "hi @an<ret>x");
    assert_eq!(editor.word_at_cursor(), (7..8, "x"));
    run(&mut editor, "<left><left>");
    assert_eq!(editor.word_at_cursor(), (3..6, "@an"));
    editor.replace(3..6, "@anna ");
    assert_eq!(state(&editor), "hi @anna |\nx");
    assert_eq!(editor.word_at_cursor(), (9..9, ""));
    editor.apply(Edit::Undo);
    assert_eq!(state(&editor), "hi @an|\nx");
    editor.replace(90..95, "end");
    assert_eq!(editor.take(), "hi @an\nxend");
    assert!(editor.is_empty());
    assert!(!editor.apply(Edit::Undo));
    editor.set_text("a\r\nb\u{7}");
    assert_eq!(state(&editor), "a\nb|");
}

#[test]
fn what_an_edit_says() {
    let mut editor = Editor::new();
    for (edit, changed) in [
        (Edit::Left, false),
        (Edit::Up(10), false),
        (Edit::Insert('\u{7}'), false),
        (Edit::Insert('a'), true),
        (Edit::Up(10), false),
        (Edit::Down(10), false),
        (Edit::KillToEnd, false),
        (Edit::Left, true),
        (Edit::DeleteBack, false),
        (Edit::Yank, false),
    ] {
        assert_eq!(editor.apply(edit.clone()), changed, "{edit:?}");
    }
}

#[test]
fn layout() {
    for (text, width, expected, cursor) in [
        ("", 5, vec![""], (0, 0)),
        ("one two", 6, vec!["one ", "two"], (1, 3)),
        ("abcdef", 4, vec!["abc", "def"], (1, 3)),
        ("a\n\nb\n", 4, vec!["a", "", "b", ""], (3, 0)),
        ("漢字", 4, vec!["漢", "字"], (1, 2)),
        ("a\tb", 10, vec!["a    b"], (0, 6)),
        ("a\u{202e}b", 20, vec!["a⟨U+202E⟩b"], (0, 10)),
        ("a\u{202e}b", 5, vec!["a\u{fffd}b"], (0, 3)),
        ("\u{301}", 5, vec!["\u{25cc}\u{301}"], (0, 1)),
        ("ab", 1, vec!["a", "b"], (1, 0)),
        ("ab", 0, vec!["a", "b"], (1, 0)),
        ("漢", 2, vec!["\u{fffd}"], (0, 1)),
    ] {
        let mut editor = Editor::new();
        editor.set_text(text);
        let rows: Vec<_> = editor.rows(width).iter().map(|row| row.shown().text().to_owned()).collect();
        assert_eq!(rows, expected, "{text:?} at {width}");
        assert_eq!(editor.cursor_position(width), cursor, "{text:?} at {width}");
    }
}

/// The text as clusters, and the cursor as a number of them: slow and plain.
struct Model {
    clusters: Vec<String>,
    cursor: usize,
}

impl Model {
    fn new(text: &str, cursor: usize) -> Self {
        let clusters: Vec<_> = text.graphemes(true).map(str::to_owned).collect();
        let mut bytes = 0;
        let count = clusters.iter().take_while(|cluster| {
            bytes += cluster.len();
            bytes <= cursor
        });
        Self { cursor: count.count(), clusters }
    }

    fn apply(&self, edit: &Edit) -> Option<String> {
        let (at, count) = (self.cursor, self.clusters.len());
        let without = |range: Range<usize>| {
            Some(self.clusters[..range.start].concat() + &self.clusters[range.end..].concat())
        };
        let is_word = |at: usize| self.clusters[at].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        match edit {
            Edit::DeleteBack => without(at.saturating_sub(1)..at),
            Edit::DeleteForward => without(at..(at + 1).min(count)),
            Edit::KillWordForward => {
                let mut end = at;
                while end < count && !is_word(end) {
                    end += 1;
                }
                while end < count && is_word(end) {
                    end += 1;
                }
                without(at..end)
            }
            Edit::KillWordBackAlt => {
                let mut start = at;
                while start > 0 && !is_word(start - 1) {
                    start -= 1;
                }
                while start > 0 && is_word(start - 1) {
                    start -= 1;
                }
                without(start..at)
            }
            Edit::Insert(c) => Some(
                self.clusters[..at].concat() + &normalized(&c.to_string()) + &self.clusters[at..].concat(),
            ),
            Edit::InsertText(text) => {
                Some(self.clusters[..at].concat() + &normalized(text) + &self.clusters[at..].concat())
            }
            Edit::Newline => Some(self.clusters[..at].concat() + "\n" + &self.clusters[at..].concat()),
            Edit::Left | Edit::Right | Edit::Up(_) | Edit::Down(_) | Edit::WordLeft | Edit::WordRight => {
                Some(self.clusters.concat())
            }
            _ => None,
        }
    }
}

fn any_char() -> impl Strategy<Value = char> {
    prop_oneof![
        prop::char::range('a', 'c'),
        prop::sample::select(
            " \n\t\r\u{7}_-漢👍\u{301}\u{200d}🇩🇪\u{202e}ﾞ\u{94d}क\u{fe0f}".chars().collect::<Vec<_>>()
        ),
        any::<char>(),
    ]
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let plain = [
        "left", "right", "ret", "a-b", "a-f", "c-a", "c-e", "top", "end", "bs", "del", "c-k", "c-u", "c-w",
        "a-bs", "a-d", "c-y", "a-y", "c-t", "undo", "redo",
    ];
    prop_oneof![
        4 => any_char().prop_map(Edit::Insert),
        6 => prop::sample::select(plain.to_vec()).prop_map(named),
        1 => prop::collection::vec(any_char(), 0..8).prop_map(|text| Edit::InsertText(text.into_iter().collect())),
        1 => (0_u16..12).prop_map(Edit::Up),
        1 => (0_u16..12).prop_map(Edit::Down),
    ]
}

proptest! {
    #[test]
    fn any_script_leaves_it_whole(script in prop::collection::vec(any_edit(), 0..60), width in 0_u16..20) {
        let mut editor = Editor::new();
        for edit in script {
            let model = Model::new(editor.text(), editor.cursor());
            let before = (editor.text().to_owned(), editor.cursor());
            let changed = editor.apply(edit.clone());
            let text = editor.text();
            if let Some(expected) = model.apply(&edit) {
                prop_assert_eq!(text, expected);
            }
            if !changed {
                prop_assert_eq!((text, editor.cursor()), (before.0.as_str(), before.1));
            }
            let is_boundary = editor.cursor() == text.len() || text.grapheme_indices(true).any(|(at, _)| at == editor.cursor());
            prop_assert!(is_boundary, "{:?} at {} after {:?}", text, editor.cursor(), edit);
            let (row, column) = editor.cursor_position(width);
            let rows = editor.rows(width);
            prop_assert!(row < rows.len() && column <= width);
            prop_assert!(rows.iter().all(|row| row.shown().width() <= width.max(1)));
            prop_assert!(rows[row].bytes().start <= editor.cursor() && editor.cursor() <= rows[row].bytes().end);
        }
        let end = editor.text().to_owned();
        let mut undone = 0;
        while editor.apply(Edit::Undo) {
            undone += 1;
        }
        prop_assert_eq!(state(&editor), "|");
        for _ in 0..undone {
            editor.apply(Edit::Redo);
        }
        prop_assert_eq!(editor.text(), end);
    }
}
