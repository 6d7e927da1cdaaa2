//! Making remote text safe to show.

use unicode_general_category::{GeneralCategory as Category, get_general_category as category};
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// One line of free text as it is stored: NFC, no invisible or control character, white space
/// folded to single spaces and trimmed.
pub fn stored_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfc() {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !matches!(
            category(c),
            Category::Control | Category::Format | Category::PrivateUse | Category::Unassigned
        ) {
            out.push(c);
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    out
}

/// Is it a single emoji? One grapheme cluster that begins with a symbol, or a keycap.
pub fn is_one_emoji(text: &str) -> bool {
    let mut clusters = text.graphemes(true);
    let (Some(cluster), None) = (clusters.next(), clusters.next()) else { return false };
    let symbol = cluster.chars().next().is_some_and(|c| {
        !c.is_ascii()
            && matches!(
                category(c),
                Category::OtherSymbol
                    | Category::MathSymbol
                    | Category::ModifierSymbol
                    | Category::OtherPunctuation
            )
    });
    symbol || cluster.contains('\u{20E3}')
}
