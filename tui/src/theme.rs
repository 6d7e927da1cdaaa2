//! Colours by what they mean. Everything stays readable without any: meaning is also in a sign, a
//! word or an attribute.

use ratatui::style::{Color, Modifier, Style};

/// The themes by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// By `NO_COLOR`, `COLORTERM`, `TERM` and `COLORFGBG`.
    #[default]
    Auto,
    /// For dark backgrounds, in true colour.
    Dark,
    /// For light backgrounds, in true colour.
    Light,
    /// The greatest contrast.
    Contrast,
    /// The terminal's own sixteen.
    Sixteen,
    /// No colours at all.
    None,
}

impl ThemeName {
    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "auto" => Self::Auto,
            "dark" => Self::Dark,
            "light" => Self::Light,
            "contrast" => Self::Contrast,
            "16" => Self::Sixteen,
            "none" => Self::None,
            _ => return None,
        })
    }

    /// What `auto` means here; `no_color`: the variable is set and not empty.
    pub fn resolve(self, no_color: bool, true_color: bool, light: Option<bool>) -> Self {
        match self {
            Self::Auto if no_color => Self::None,
            Self::Auto if !true_color => Self::Sixteen,
            Self::Auto if light == Some(true) => Self::Light,
            Self::Auto => Self::Dark,
            named => named,
        }
    }
}

/// How each kind of thing looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Ordinary text.
    pub text: Style,
    /// What matters less: times, hints, notices.
    pub dim: Style,
    /// Lines between panels.
    pub border: Style,
    /// Titles of panels.
    pub title: Style,
    /// What is chosen: the open conversation, a row of a list.
    pub chosen: Style,
    /// The selected message.
    pub selected: Style,
    /// Unread.
    pub unread: Style,
    /// I am named.
    pub mention: Style,
    /// The line above what is new.
    pub divider: Style,
    /// Online, sent, fine.
    pub good: Style,
    /// Waiting, connecting.
    pub warn: Style,
    /// Failed.
    pub bad: Style,
    /// A key in a hint.
    pub key: Style,
    /// The status line.
    pub status: Style,
    /// Code.
    pub code: Style,
    /// Links.
    pub link: Style,
    /// Quoted text.
    pub quote: Style,
    /// A match of a search.
    pub found: Style,
    /// Names, by a number drawn from the name.
    pub names: Vec<Style>,
}

fn rgb(hex: u32) -> Color {
    let byte = |shift: u32| u8::try_from(hex >> shift & 0xFF).unwrap_or(0);
    Color::Rgb(byte(16), byte(8), byte(0))
}

fn fg(hex: u32) -> Style {
    Style::new().fg(rgb(hex))
}

impl Theme {
    /// The theme of this name; `auto` has been resolved before and means dark here.
    pub fn new(name: ThemeName) -> Self {
        match name {
            ThemeName::Auto | ThemeName::Dark => Self::dark(),
            ThemeName::Light => Self::light(),
            ThemeName::Contrast => Self::contrast(),
            ThemeName::Sixteen => Self::sixteen(),
            ThemeName::None => Self::none(),
        }
    }

    /// The look of a name: the same for the same name, everywhere.
    pub fn name(&self, name: &str) -> Style {
        // FNV-1a: small, and the same on every machine.
        let hash =
            name.bytes().fold(0x811C_9DC5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let index = usize::try_from(hash).unwrap_or(0) % self.names.len().max(1);
        self.names.get(index).copied().unwrap_or(self.text)
    }

    fn dark() -> Self {
        Self {
            text: Style::new(),
            dim: fg(0x8A93A2),
            border: fg(0x4A5160),
            title: fg(0xE6E9EF).add_modifier(Modifier::BOLD),
            chosen: Style::new().bg(rgb(0x2E3644)).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(rgb(0x2A3140)),
            unread: fg(0xF2F4F8).add_modifier(Modifier::BOLD),
            mention: fg(0xFFB454).add_modifier(Modifier::BOLD),
            divider: fg(0xFF7A66),
            good: fg(0x7FD88F),
            warn: fg(0xFFCB6B),
            bad: fg(0xFF6B70),
            key: fg(0x8CC8FF),
            status: fg(0xAEB6C4).bg(rgb(0x1D222B)),
            code: fg(0xE2C08D),
            link: fg(0x6CB6FF).add_modifier(Modifier::UNDERLINED),
            quote: fg(0x9AA4B5).add_modifier(Modifier::ITALIC),
            found: Style::new().fg(rgb(0x14181F)).bg(rgb(0xFFCB6B)),
            names: [0x6CB6FF, 0x7FD88F, 0xD2A8FF, 0xFFA657, 0xF692CE, 0x56D4DD, 0xDBC074, 0xFF938A]
                .map(fg)
                .to_vec(),
        }
    }

    fn light() -> Self {
        Self {
            text: Style::new(),
            dim: fg(0x5B6472),
            border: fg(0xB4BBC6),
            title: fg(0x10151D).add_modifier(Modifier::BOLD),
            chosen: Style::new().bg(rgb(0xD9E2EF)).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(rgb(0xE6ECF5)),
            unread: fg(0x000000).add_modifier(Modifier::BOLD),
            mention: fg(0x9A4B00).add_modifier(Modifier::BOLD),
            divider: fg(0xC2321F),
            good: fg(0x1A7F37),
            warn: fg(0x7A5200),
            bad: fg(0xB3202A),
            key: fg(0x0A56B0),
            status: fg(0x343B46).bg(rgb(0xE4E8EE)),
            code: fg(0x7A4A00),
            link: fg(0x0A56B0).add_modifier(Modifier::UNDERLINED),
            quote: fg(0x4B5563).add_modifier(Modifier::ITALIC),
            found: Style::new().fg(rgb(0x000000)).bg(rgb(0xFFD866)),
            names: [0x0A56B0, 0x1A6B30, 0x6B35B8, 0x8A4300, 0xA3246F, 0x0B6A73, 0x6B5600, 0xAA2B20]
                .map(fg)
                .to_vec(),
        }
    }

    fn contrast() -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let reverse = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
        Self {
            text: Style::new(),
            dim: Style::new(),
            border: Style::new(),
            title: bold,
            chosen: reverse,
            selected: Style::new().add_modifier(Modifier::REVERSED),
            unread: bold,
            mention: bold.fg(Color::LightYellow),
            divider: bold.fg(Color::LightRed),
            good: bold.fg(Color::LightGreen),
            warn: bold.fg(Color::LightYellow),
            bad: bold.fg(Color::LightRed),
            key: bold.fg(Color::LightCyan),
            status: reverse,
            code: Style::new().fg(Color::LightYellow),
            link: bold.fg(Color::LightCyan).add_modifier(Modifier::UNDERLINED),
            quote: Style::new().add_modifier(Modifier::ITALIC),
            found: reverse,
            names: vec![bold],
        }
    }

    fn sixteen() -> Self {
        let fg = |color| Style::new().fg(color);
        Self {
            text: Style::new(),
            dim: fg(Color::DarkGray),
            border: fg(Color::DarkGray),
            title: Style::new().add_modifier(Modifier::BOLD),
            chosen: Style::new().add_modifier(Modifier::REVERSED),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            unread: Style::new().add_modifier(Modifier::BOLD),
            mention: fg(Color::Yellow).add_modifier(Modifier::BOLD),
            divider: fg(Color::Red),
            good: fg(Color::Green),
            warn: fg(Color::Yellow),
            bad: fg(Color::Red),
            key: fg(Color::Cyan),
            status: Style::new().add_modifier(Modifier::REVERSED),
            code: fg(Color::Yellow),
            link: fg(Color::Blue).add_modifier(Modifier::UNDERLINED),
            quote: fg(Color::DarkGray).add_modifier(Modifier::ITALIC),
            found: Style::new().fg(Color::Black).bg(Color::Yellow),
            names: [Color::Blue, Color::Green, Color::Magenta, Color::Cyan, Color::Yellow, Color::Red]
                .map(fg)
                .to_vec(),
        }
    }

    fn none() -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let reverse = plain.add_modifier(Modifier::REVERSED);
        Self {
            text: plain,
            dim: plain.add_modifier(Modifier::DIM),
            border: plain.add_modifier(Modifier::DIM),
            title: bold,
            chosen: reverse,
            selected: reverse,
            unread: bold,
            mention: bold,
            divider: bold,
            good: plain,
            warn: plain,
            bad: bold,
            key: bold,
            status: reverse,
            code: plain,
            link: plain.add_modifier(Modifier::UNDERLINED),
            quote: plain.add_modifier(Modifier::ITALIC),
            found: reverse,
            names: vec![bold],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_obeys_the_environment() {
        let auto = ThemeName::Auto;
        assert_eq!(auto.resolve(true, true, None), ThemeName::None);
        assert_eq!(auto.resolve(false, false, None), ThemeName::Sixteen);
        assert_eq!(auto.resolve(false, true, Some(true)), ThemeName::Light);
        assert_eq!(auto.resolve(false, true, None), ThemeName::Dark);
        assert_eq!(ThemeName::Dark.resolve(true, false, None), ThemeName::Dark);
    }

    #[test]
    fn no_colours_means_none() {
        let theme = Theme::new(ThemeName::None);
        let all = [
            theme.text,
            theme.dim,
            theme.border,
            theme.title,
            theme.chosen,
            theme.selected,
            theme.unread,
            theme.mention,
            theme.divider,
            theme.good,
            theme.warn,
            theme.bad,
            theme.key,
            theme.status,
            theme.code,
            theme.link,
            theme.quote,
            theme.found,
        ];
        for style in all.iter().chain(&theme.names) {
            assert!(style.fg.is_none() && style.bg.is_none(), "{style:?}");
        }
    }

    #[test]
    fn light_and_dark_differ_only_in_their_colours() {
        let contrast = |fg: Option<Color>, background: f64| {
            let Some(Color::Rgb(r, g, b)) = fg else { return 21.0 };
            let channel = |c: u8| {
                let c = f64::from(c) / 255.0;
                if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
            };
            let light = 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
            let (a, b) = (light.max(background) + 0.05, light.min(background) + 0.05);
            a / b
        };
        for (name, background) in [(ThemeName::Dark, 0.01), (ThemeName::Light, 0.98)] {
            let theme = Theme::new(name);
            let words = [
                theme.dim,
                theme.title,
                theme.mention,
                theme.good,
                theme.warn,
                theme.bad,
                theme.key,
                theme.code,
                theme.link,
                theme.quote,
            ];
            for style in words.iter().chain(&theme.names) {
                // AA for text.
                assert!(contrast(style.fg, background) >= 4.5, "{name:?}: {style:?}");
            }
        }
    }
}
