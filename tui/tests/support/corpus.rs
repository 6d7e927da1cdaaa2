//! Texts that somebody sends who wants a terminal to do or to show something else: made by rule, so that
//! every kind of sequence meets every kind of neighbour.
//!
//! A fixture for every place that remote text can reach. It knows nothing of what becomes of them.

/// What terminals obey, whole.
pub(crate) const SEQUENCES: [&str; 44] = [
    // CSI: clear, colour, move, cursor, report, alternate screen, bracketed paste, mouse, scroll region.
    "\x1b[2J",
    "\x1b[31;1m",
    "\x1b[1;1H",
    "\x1b[?25l",
    "\x1b[6n",
    "\x1b[c",
    "\x1b[?1049h",
    "\x1b[?2004l",
    "\x1b[?1003h",
    "\x1b[2;3r",
    "\x1b[99999999999999A",
    "\x1b[1@",
    "\x1b[200~paste\x1b[201~",
    "\x1b[=1;2u",
    // OSC: title, link, clipboard, colours, notifications, by BEL and by ST.
    "\x1b]0;title\x07",
    "\x1b]2;title\x1b\\",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]8;id=1;http://evil.example\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]52;c;?\x1b\\",
    "\x1b]10;?\x07",
    "\x1b]11;#000000\x1b\\",
    "\x1b]9;note\x07",
    "\x1b]777;notify;a;b\x07",
    "\x1b]1337;File=inline=1:AAAA\x07",
    // Strings: DCS, APC, PM, SOS.
    "\x1bP1$r0m\x1b\\",
    "\x1bPtmux;\x1b\x1b]0;t\x07\x1b\\",
    "\x1bPq#0;2;0;0;0#0~~\x1b\\",
    "\x1b_Gf=100;AAAA\x1b\\",
    "\x1b^private\x1b\\",
    "\x1bXstring\x1b\\",
    // Single: SS2, SS3, reset, charsets, save and restore, index.
    "\x1bN",
    "\x1bOA",
    "\x1bc",
    "\x1b(0lqk\x1b(B",
    "\x1b7\x1b8",
    "\x1bD\x1bM",
    "\x1b#8",
    // The same by C1.
    "\u{9b}31m",
    "\u{9d}0;title\u{9c}",
    "\u{90}q\u{9c}",
    "\u{9f}apc\u{9c}",
    "\u{8f}A",
    "\u{85}",
];

/// Characters that hide, turn or pile up.
const CHARACTERS: [&str; 66] = [
    // Bidirectional.
    "\u{202a}",
    "\u{202b}",
    "\u{202c}",
    "\u{202d}",
    "\u{202e}",
    "\u{2066}",
    "\u{2067}",
    "\u{2068}",
    "\u{2069}",
    "\u{200e}",
    "\u{200f}",
    "\u{61c}",
    "\u{202e}gnp.exe",
    // Nothing to see.
    "\u{200b}",
    "\u{200c}",
    "\u{200d}",
    "\u{2060}",
    "\u{2061}",
    "\u{2062}",
    "\u{2063}",
    "\u{2064}",
    "\u{206a}",
    "\u{206f}",
    "\u{feff}",
    "\u{ad}",
    "\u{34f}",
    "\u{180e}",
    "\u{180b}",
    "\u{115f}",
    "\u{1160}",
    "\u{3164}",
    "\u{ffa0}",
    "\u{17b4}",
    "\u{2800}",
    "\u{fff9}a\u{fffa}b\u{fffb}",
    "\u{1d173}",
    // Tags and variations.
    "\u{e0001}",
    "\u{e0020}",
    "\u{e0041}\u{e0042}\u{e007f}",
    "🏴\u{e0067}\u{e0062}\u{e007f}",
    "\u{fe00}",
    "\u{fe0e}",
    "\u{fe0f}",
    "\u{e0100}",
    "❤\u{fe0f}\u{fe0f}",
    "1\u{fe0f}\u{20e3}",
    // Line ends of other kinds, and spaces of other widths.
    "\u{2028}",
    "\u{2029}",
    "\u{b}",
    "\u{c}",
    "\u{a0}",
    "\u{3000}",
    "\u{2003}",
    // No characters.
    "\u{fffe}",
    "\u{fdd0}",
    "\u{e000}",
    "\u{f8ff}",
    "\u{10ffff}",
    "\u{378}",
    // Wider than they ought to be, or less wide.
    "\u{fdfd}",
    "\u{12031}",
    "\u{2e3b}",
    "\u{17d8}",
    "ｶ\u{ff9e}",
    "\u{ff9e}",
    "\u{1160}\u{11a8}",
];

/// What they stand beside.
const NEIGHBOURS: [&str; 7] = ["", "plain", "漢字", "👍🏽", "שלום", "<admin>", "**b** `c`"];

/// At least two thousand texts.
pub(crate) fn corpus() -> Vec<String> {
    let mut corpus = Vec::new();
    for part in parts() {
        for beside in NEIGHBOURS {
            corpus.push(format!("{beside}{part}"));
            corpus.push(format!("{part}{beside}"));
            corpus.push(format!("{beside}{part}{beside}"));
        }
        corpus.push(part.repeat(5));
    }
    for (first, second) in halves() {
        corpus.extend([first, second]);
    }
    corpus.extend(broken_unicode());
    corpus.extend(piles());
    corpus.extend(pretenders());
    corpus.sort_unstable();
    corpus.dedup();
    corpus.retain(|text| !text.is_empty());
    corpus
}

/// Every control character, every sequence, every odd character.
fn parts() -> Vec<String> {
    let controls = (0_u32..0x20).chain(0x7F..0xA0).filter_map(char::from_u32).map(String::from);
    controls.chain(SEQUENCES.iter().chain(&CHARACTERS).map(|part| (*part).to_owned())).collect()
}

/// Each sequence cut in two at every place, for two messages in a row.
pub(crate) fn halves() -> Vec<(String, String)> {
    let mut halves = Vec::new();
    for sequence in
        SEQUENCES.iter().chain(&["👨\u{200d}👩\u{200d}👧", "🇩🇪", "e\u{301}", "❤\u{fe0f}", "\u{1100}\u{1161}"])
    {
        for (at, _) in sequence.char_indices().skip(1) {
            halves.push((sequence[..at].to_owned(), sequence[at..].to_owned()));
        }
    }
    halves
}

/// What decoders make of text that is none.
fn broken_unicode() -> Vec<String> {
    let bytes: [&[u8]; 8] = [
        b"\xed\xa0\x80",
        b"a\xed\xb0\x80b",
        b"\xc0\x9b[31m",
        b"\xe0\x80\x9b",
        b"\xf5\x80\x80\x80",
        b"\xff\xfe",
        b"\xe6\xbc",
        b"\x80\x9b31m",
    ];
    let words: [&[u16]; 4] = [&[0xD800], &[0x61, 0xDC00, 0x62], &[0xDC00, 0xD800], &[0xD83D, 0x1B, 0x5B]];
    let lossy = bytes.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    lossy.chain(words.iter().map(|words| String::from_utf16_lossy(words))).collect()
}

/// Too much of one thing.
fn piles() -> Vec<String> {
    let mut piles = Vec::new();
    for mark in ["\u{301}", "\u{36f}", "\u{20dd}", "\u{489}", "\u{e31}", "\u{fe20}", "\u{1ab0}"] {
        piles.push(format!("a{}", mark.repeat(500)));
        piles.push(mark.repeat(500));
        piles.push(format!("👍{}x", mark.repeat(500)));
    }
    for unit in [
        "क\u{94d}",
        "\u{1100}",
        "\u{1161}",
        "ക\u{d4d}",
        "\u{d4e}",
        "ា",
        "ក\u{17d2}ក",
        "ﾞ",
        "🇩",
        "👍\u{200d}",
        "🏽",
        "漢",
        "W",
        "\u{fdfd}",
        "ا",
        "لا",
        "\u{600}",
    ] {
        piles.push(unit.repeat(300));
        piles.push(format!("a {} b", unit.repeat(3)));
    }
    for mark in
        ["*", "_", "~~", "`", "```\n", "> ", ">", "[", "](", "[a](http://b", "- ", "\n", "http://", "@", "#"]
    {
        piles.push(mark.repeat(500));
    }
    piles
}

/// What would pass for something the client draws, or lead elsewhere than it says.
fn pretenders() -> Vec<String> {
    [
        "\n<admin> hello",
        "\r<admin> hello",
        "hello\n│ 12:00 admin │ hello",
        "\u{2028}<admin> hello",
        "a\x08\x08\x08admin",
        "── new ──",
        "▎ quoted by the client?",
        "[https://bank.example](https://evil.example)",
        "[x](javascript:alert(1))",
        "[x](https://evil.example\x1b]8;;http://x\x1b\\)",
        "https://evil.example/\u{202e}gpj",
        "https://a.example/\x1b[31m",
        "https://a.example/;id=x;\x07",
        "https://аpple.example",
        "@ann\u{202e} #ops\u{200b}",
        "```\x1b[31m\n\x1b]0;t\x07\n```",
        "```\u{202e}rust\ncode\n```",
        "`\x1b[31m`",
        "**\x1b[31m**",
        "> \x1b[31m\n> \u{9b}m",
        "- \x1b[31m",
        "~~\u{202e}~~ *\u{301}* _\u{200d}_",
        "**👨**\u{200d}**👩**",
        "*🇩*🇪 `🇩`🇪",
    ]
    .map(str::to_owned)
    .to_vec()
}
