//! Text made safe to show acts on no terminal, and stays as it is when it is cleaned again.

use chat_shared::display::{SafeText, is_one_emoji, stored_line};
use unicode_general_category::{GeneralCategory, get_general_category};

/// More marks on a letter would cover the lines around it.
const MARKS_MAX: usize = 8;

pub(crate) fn check(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    let line = SafeText::line(text);
    is_safe(line.as_ref(), false);
    assert_eq!(SafeText::line(line.as_ref()), line, "{text:?}");
    let block = SafeText::block(text);
    is_safe(block.as_ref(), true);
    assert_eq!(SafeText::block(block.as_ref()), block, "{text:?}");
    let stored = stored_line(text);
    is_safe(&stored, false);
    assert_eq!(stored_line(&stored), stored, "{text:?}");

    // Wherever it is cut, and however it is put together again.
    let middle = data.first().map_or(0, |byte| block.as_ref().len() * usize::from(*byte) / 256);
    let (head, tail) = (block.slice(0..middle), block.slice(middle..block.as_ref().len()));
    for part in [&head, &tail, &tail.join(&head)] {
        is_safe(part.as_ref(), true);
        assert_eq!(&SafeText::block(part.as_ref()), part, "{text:?} cut at {middle}");
    }

    if is_one_emoji(text) {
        assert!(!text.contains(char::is_control) && !line.as_ref().is_empty(), "{text:?}");
    }
}

fn is_safe(text: &str, is_block: bool) {
    let mut marks = 0;
    for c in text.chars() {
        assert!(is_block && c == '\n' || !is_forbidden(c), "{text:?}");
        let is_mark = matches!(
            get_general_category(c),
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        );
        marks = if is_mark && c != '\u{FE0F}' { marks + 1 } else { 0 };
        assert!(marks <= MARKS_MAX, "{text:?}");
    }
}

/// Does it act on a terminal, or hide or turn what stands around it?
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200C}' | '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(
            c,
            '\u{61C}' | '\u{AD}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}' | '\u{2028}' | '\u{2029}'
        )
}
