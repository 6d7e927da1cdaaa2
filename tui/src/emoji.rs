//! Emoji by name, for the picker and for `:name:`.

use std::sync::LazyLock;

/// The ones that people reach for: they come first.
const USUAL: [&str; 12] = ["👍", "❤️", "😂", "🎉", "👀", "🙏", "✅", "❌", "🔥", "💯", "😮", "😢"];

static ALL: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    let named = |emoji: &'static emojis::Emoji| {
        let codes: Vec<&str> = emoji.shortcodes().collect();
        let name = if codes.is_empty() { emoji.name().to_owned() } else { codes.join(" ") };
        (emoji.as_str(), name)
    };
    let usual = USUAL.iter().filter_map(|emoji| emojis::get(emoji)).map(named);
    // A few signs that are emoji by name only (ℹ, 〰, 〽) are none for the protocol.
    let taken = |emoji: &&emojis::Emoji| emoji.as_str().parse::<chat_shared::name::Emoji>().is_ok();
    let others = emojis::iter().filter(|emoji| !USUAL.contains(&emoji.as_str())).filter(taken).map(named);
    usual.chain(others).collect()
});

/// Every emoji with its names, the usual ones first.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|(emoji, name)| (*emoji, name.as_str()))
}

/// The emojis one of whose names begins with this.
pub fn beginning(prefix: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    all().filter_map(move |(emoji, names)| {
        let name = names.split(' ').find(|name| name.starts_with(prefix))?;
        Some((emoji, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_emoji_that_the_protocol_takes() {
        assert_eq!(all().next().map(|(emoji, _)| emoji), Some("👍"));
        assert!(beginning("tada").any(|(emoji, name)| emoji == "🎉" && name == "tada"));
        let refused: Vec<&str> = all()
            .map(|(emoji, _)| emoji)
            .filter(|emoji| emoji.parse::<chat_shared::name::Emoji>().is_err())
            .collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
}
