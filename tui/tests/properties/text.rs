//! A message on its way to the screen: parsed without loss, wrapped to the width, and nothing in its rows
//! acts on a terminal.
//!
//! The first byte says how wide the screen is.

use chat_shared::display::SafeText;
use chat_tui::text::links::{Url, links};
use chat_tui::text::markdown::{self, Block, Kind};
use chat_tui::text::{Span, wrap};

pub(crate) fn check(data: &[u8]) {
    let [columns, text @ ..] = data else { return };
    let columns = u16::from(columns % 120) + 1;
    let body = SafeText::block(&String::from_utf8_lossy(text));
    let blocks = markdown::parse(&body);
    assert_eq!(letters(&texts(&blocks)), letters(body.as_ref()), "{body:?}");
    for row in wrap::wrap(&blocks, columns) {
        assert!(row.width() <= columns, "{row:?} in {columns} columns");
        assert_eq!(row.width(), row.segments().iter().map(|segment| segment.width()).sum::<u16>(), "{row:?}");
        assert!(!row.text().contains(char::is_control), "{row:?}");
    }
    for url in links(&body) {
        assert!(body.as_ref().contains(url.as_str()), "{url:?} in {body:?}");
        assert_eq!(Url::new(url.as_str()).as_ref(), Some(&url));
        assert!(url.encoded().bytes().all(|byte| byte.is_ascii_graphic() && byte != b';'), "{url:?}");
    }
}

/// What no mark is made of.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn texts(blocks: &[Block]) -> String {
    let line = |spans: &Vec<Span>| spans.iter().map(|span| span.text.to_string()).collect::<String>();
    let block = |block: &Block| match &block.kind {
        Kind::Paragraph(lines) => lines.iter().map(line).collect(),
        Kind::Item { number, line: spans, .. } => {
            number.as_ref().map_or(String::new(), SafeText::to_string) + &line(spans)
        }
        Kind::Code { language, lines } => {
            language.iter().chain(lines).map(SafeText::to_string).collect::<String>()
        }
    };
    blocks.iter().map(block).collect()
}
