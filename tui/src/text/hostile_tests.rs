//! The hostile corpus on its whole way: cleaned, parsed, wrapped, painted, written to a terminal.

#[path = "../../tests/support/corpus.rs"]
mod corpus;

use super::careful::Careful;
use super::paint::paint;
use super::{Look, Segment, links, markdown, width, wrap};
use crate::editor::Editor;
use chat_shared::display::SafeText;
use corpus::{corpus, halves};
use ratatui::backend::{Backend as _, TestBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::{Terminal, TerminalOptions, Viewport};
use std::num::NonZeroU16;

const WIDTHS: [u16; 4] = [1, 7, 40, 80];

/// Longer messages show their first rows.
const ROWS: u16 = 40;

fn style(look: &Look) -> Style {
    let mut style = Style::new();
    for (is, modifier) in
        [(look.bold, Modifier::BOLD), (look.italic, Modifier::ITALIC), (look.strike, Modifier::CROSSED_OUT)]
    {
        if is {
            style = style.add_modifier(modifier);
        }
    }
    if look.reference.is_some() { style.fg(Color::Blue).add_modifier(Modifier::UNDERLINED) } else { style }
}

/// The rows between two borders.
fn draw(rows: &[Vec<Segment>], columns: u16, buffer: &mut Buffer) {
    for y in 0..buffer.area.height {
        buffer.set_string(0, y, "│", Style::new());
        buffer.set_string(columns + 1, y, "│", Style::new());
    }
    for (y, row) in (0..).zip(rows) {
        paint(row, Rect::new(1, y, columns, 1), buffer, style);
    }
}

/// The rows of a message as a reader sees it, and as its writer does.
fn rows(texts: &[&str], columns: u16) -> Vec<Vec<Segment>> {
    let mut rows = Vec::new();
    for text in texts {
        let blocks = markdown::parse(&SafeText::block(text));
        rows.extend(wrap::wrap(&blocks, columns).iter().map(|row| row.segments().to_vec()));
        let mut editor = Editor::new();
        editor.set_text(text);
        let written = editor.rows(columns);
        rows.extend(written.iter().take(usize::from(ROWS / 4)).map(|row| vec![row.shown().clone()]));
    }
    rows.truncate(usize::from(ROWS));
    rows
}

/// What a terminal is told: nothing but where to write, how, and what.
#[derive(Debug, Default)]
struct Written {
    text: String,
    moves: usize,
}

/// Understands what the backend may write and nothing else.
fn parse(bytes: &[u8]) -> Result<Written, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut written = Written::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\x1b' {
            if c.is_control() {
                return Err(format!("{c:?} before {rest:?}"));
            }
            written.text.push(c);
            continue;
        }
        let body = rest.strip_prefix('[').ok_or_else(|| format!("an escape before {rest:?}"))?;
        let end = body.find(|c: char| !c.is_ascii_digit() && c != ';').ok_or("a sequence without an end")?;
        match &body[end..=end] {
            "H" => written.moves += 1,
            "m" => {}
            other => return Err(format!("a sequence with {other:?} before {rest:?}")),
        }
        rest = &body[end + 1..];
    }
    Ok(written)
}

/// Writes the difference of two frames, and checks every byte of it.
fn write(before: &Buffer, after: &Buffer, what: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut backend = Careful::new(&mut bytes);
    let changes = before.diff(after);
    backend.draw(changes.iter().copied()).unwrap();
    let written = parse(&bytes).unwrap_or_else(|error| panic!("{what}: wrote {error}"));
    let meant: String = changes.iter().map(|(_, _, cell)| cell.symbol()).collect();
    assert_eq!(written.text, meant, "{what}");
    assert!(!written.text.contains(is_deceptive), "{what}: wrote {:?}", written.text);
    bytes
}

fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(
            c,
            '\u{61C}' | '\u{AD}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}' | '\u{2028}' | '\u{2029}'
        )
}

/// Does a terminal show the cells? This one knows no grapheme clusters.
fn check_screen(screen: &vt100::Screen, buffer: &Buffer, columns: u16, what: &str) {
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = understood(buffer[(x, y)].symbol());
            let cluster = width::clusters(&symbol).next().unwrap();
            let cells = (x..x + cluster.width).map(|x| screen.cell(y, x).unwrap().contents());
            let shown = cells.collect::<String>();
            let shown = if shown.is_empty() { " " } else { &shown };
            // It shows the first part of an emoji, with what was written later over the others, and
            // keeps so many bytes of a cell.
            let is_whole = cluster.spill() == 0 && symbol.len() <= 16;
            let is_same = if is_whole { symbol == shown } else { symbol.starts_with(shown) };
            assert!(is_same, "{what}: {symbol:?} is shown as {shown:?} at {x}, {y}");
            x += cluster.width;
        }
        for x in [0, columns + 1] {
            assert_eq!(screen.cell(y, x).unwrap().contents(), "│", "{what}: the border at {x}, {y}");
        }
    }
}

/// The vt100 crate takes a replacement character for its decoder's and drops it.
fn understood(text: &str) -> String {
    text.replace('\u{FFFD}', "?")
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

fn check(texts: &[&str], columns: u16) {
    let what = format!("{texts:?} at {columns}");
    let rows = rows(texts, columns);
    let area = Rect::new(0, 0, columns + 2, u16::try_from(rows.len()).unwrap() + 1);
    let (blank, mut empty, mut full) = (Buffer::empty(area), Buffer::empty(area), Buffer::empty(area));
    draw(&[], columns, &mut empty);
    draw(&rows, columns, &mut full);

    // Wide enough that parts of an emoji at the border do not wrap, as with autowrap off.
    let mut terminal = vt100::Parser::new(cells(area.height), cells(area.width + 70), 0);
    let show = |terminal: &mut vt100::Parser, bytes: Vec<u8>| {
        terminal.process(understood(std::str::from_utf8(&bytes).unwrap()).as_bytes())
    };
    show(&mut terminal, write(&blank, &empty, &what));
    show(&mut terminal, write(&empty, &full, &what));
    check_screen(terminal.screen(), &full, columns, &what);
    show(&mut terminal, write(&full, &empty, &what));
    check_screen(terminal.screen(), &empty, columns, &what);
}

#[test]
fn there_are_enough_of_them() {
    assert!(corpus().len() >= 2_000, "{}", corpus().len());
}

#[test]
fn nothing_is_written_but_what_is_meant() {
    for text in corpus() {
        for columns in WIDTHS {
            check(&[&text], columns);
        }
    }
}

#[test]
fn two_halves_make_no_whole() {
    for (first, second) in halves() {
        check(&[&first, &second], 40);
        // As a name and a body beside it.
        let name = SafeText::line(&first);
        let body = SafeText::line(&second);
        let row = vec![
            Segment::new(&name, Look::default()),
            Segment::new(&body, Look { bold: true, ..Look::default() }),
        ];
        let area = Rect::new(0, 0, 42, 1);
        let (blank, mut full) = (Buffer::empty(area), Buffer::empty(area));
        draw(&[row], 40, &mut full);
        write(&blank, &full, &format!("{first:?} beside {second:?}"));
    }
}

#[test]
fn a_widget_shows_the_same() {
    for text in corpus().iter().step_by(7) {
        let rows = rows(&[text], 40);
        let viewport = Viewport::Fixed(Rect::new(0, 0, 42, ROWS));
        let mut terminal =
            Terminal::with_options(TestBackend::new(42, ROWS), TerminalOptions { viewport }).unwrap();
        terminal.draw(|frame| draw(&rows, 40, frame.buffer_mut())).unwrap();
        let buffer = terminal.backend().buffer();
        for y in 0..ROWS {
            assert_eq!((buffer[(0, y)].symbol(), buffer[(41, y)].symbol()), ("│", "│"), "{text:?}");
        }
    }
}

#[test]
fn no_link_carries_anything_else() {
    for text in corpus() {
        for url in links::links(&SafeText::block(&text)) {
            let encoded = url.encoded();
            assert!(
                encoded.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';'),
                "{text:?} gave {encoded:?}"
            );
        }
    }
}
