use super::*;
use crate::text::{Look, Reference};
use proptest::prelude::*;

/// A line's spans as text: what they are before each, in angle brackets.
fn show_line(spans: &[Span]) -> String {
    let mut out = String::new();
    for Span { text, look } in spans {
        let Look { bold, italic, strike, code, reference, .. } = look;
        let mut names: Vec<String> = [(*bold, "b"), (*italic, "i"), (*strike, "s"), (*code, "c")]
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| (*name).to_owned())
            .collect();
        match reference.as_deref() {
            Some(Reference::Link(url)) => names.push(format!("→{}", url.as_str())),
            Some(Reference::User(name)) => names.push(format!("@{name}")),
            Some(Reference::Group(name)) => names.push(format!("#{name}")),
            None => {}
        }
        if names.is_empty() {
            out.push_str(text.as_ref());
        } else {
            out.push_str(&format!("<{} {text}>", names.join(" ")));
        }
    }
    out
}

fn show(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for Block { quote, kind } in parse(&SafeText::block(text)) {
        let gutter = "|".repeat(quote);
        match kind {
            Kind::Paragraph(lines) => {
                out.extend(lines.iter().map(|line| format!("{gutter}{}", show_line(line))))
            }
            Kind::Item { indent, number, line } => {
                let marker = number.map_or("•".to_owned(), |number| number.to_string());
                out.push(format!("{gutter}{}{marker}_{}", " ".repeat(indent), show_line(&line)));
            }
            Kind::Code { language, lines } => {
                out.push(format!("{gutter}code {}", language.map_or(String::new(), |word| word.to_string())));
                out.extend(lines.iter().map(|line| format!("{gutter}={line}")));
            }
        }
    }
    out
}

#[test]
fn inside_a_line() {
    for (text, expected) in [
        ("plain", "plain"),
        ("**bold** text", "<b bold> text"),
        ("*it* _it_ ~~gone~~", "<i it> <i it> <s gone>"),
        ("***both***", "<b i both>"),
        ("**a *b* c**", "<b a ><b i b><b  c>"),
        ("**a *b***", "<b a ><b i b>"),
        ("*a **b***", "<i a ><b i b>"),
        ("(*x*), \"**y**\".", "(<i x>), \"<b y>\"."),
        ("これは**重要**です", "これは<b 重要>です"),
        ("`a*b*c` ``x`y``", "<c a*b*c> <c x`y>"),
        ("**`x`**", "<b c x>"),
        ("*https://a.b/c_d_e*", "<i →https://a.b/c_d_e https://a.b/c_d_e>"),
        ("[see](https://a.b) x", "<→https://a.b see>(<→https://a.b https://a.b>) x"),
        ("[https://a.b](https://a.b)", "<→https://a.b https://a.b>"),
        (
            "[https://bank.com](https://evil.com)",
            "<→https://evil.com https://bank.com>(<→https://evil.com https://evil.com>)",
        ),
        ("[ ](https://a.b)", " (<→https://a.b https://a.b>)"),
        ("[x](javascript:a) [y](z", "[x](javascript:a) [y](z"),
        ("[a [b](https://c) d]", "[a <→https://c b>(<→https://c https://c>) d]"),
        ("hi @ann, see #ops.", "hi <@ann @ann>, see <#ops #ops>."),
        ("a@b.org #1 ##ops @@ann @a", "a@b.org #1 ##ops @@ann @a"),
        ("**@ann**", "<b @ann @ann>"),
        // Not emphasis.
        ("snake_case_words _x_y", "snake_case_words _x_y"),
        ("2*3*4 and 2 * 3 * 4", "2*3*4 and 2 * 3 * 4"),
        ("*.rs and *.toml", "*.rs and *.toml"),
        ("src/*/a src/**/b **/*.rs", "src/*/a src/**/b **/*.rs"),
        ("__init__.py __init__", "__init__.py __init__"),
        ("f(*args, **kwargs)", "f(*args, **kwargs)"),
        ("*p = *q", "*p = *q"),
        ("¯\\_(ツ)_/¯", "¯\\_(ツ)_/¯"),
        ("~/a ~/b ~5", "~/a ~/b ~5"),
        // Not closed.
        ("**open", "**open"),
        ("*a **b*", "<i a **b>"),
        ("`open", "`open"),
        ("``a`", "``a`"),
        ("[open](https://a.b", "[open](<→https://a.b https://a.b>"),
        ("**** ** *", "**** ** *"),
        ("\\*a*", "\\*a*"),
    ] {
        assert_eq!(show(text), [expected], "{text:?}");
    }
}

#[test]
fn lines_and_blocks() {
    for (text, expected) in [
        ("a\n\nb", vec!["a", "", "b"]),
        ("> a\n> **b**\nc", vec!["|a", "|<b b>", "c"]),
        (">> a\n> b", vec!["||a", "|b"]),
        (">>>>>> a", vec!["||||>> a"]),
        (">_< >:(\n>:(", vec![">_< >:(", ">:("]),
        ("- a\n  * b\n12. c\n1) d", vec!["•_a", "  •_b", "12._c", "1)_d"]),
        ("- - -\n-x\n1.5\n-", vec!["•_- -", "-x", "1.5", "-"]),
        ("```rust\nlet *a*;\n```\nx", vec!["code rust", "=let *a*;", "x"]),
        ("```\n> a\n\n```", vec!["code ", "=> a", "="]),
        ("````\n```\n````", vec!["code ", "=```"]),
        ("~~~\n```\n~~~", vec!["code ", "=```"]),
        ("```rust\nopen", vec!["```rust", "open"]),
        ("> ```\n> x\n> ```\n> y", vec!["|code ", "|=x", "|y"]),
        ("> ```\nx\n```", vec!["|```", "x", "```"]),
        ("```x```", vec!["<c x>"]),
        ("# not a heading", vec!["# not a heading"]),
        ("    indented", vec!["    indented"]),
    ] {
        assert_eq!(show(text), expected, "{text:?}");
    }
}

/// Everything that is shown, without line ends.
fn shown(text: &SafeText) -> String {
    let line = |spans: &[Span]| spans.iter().map(|span| span.text.to_string()).collect::<String>();
    parse(text)
        .iter()
        .map(|block| match &block.kind {
            Kind::Paragraph(lines) => lines.iter().map(|spans| line(spans)).collect(),
            Kind::Item { number, line: spans, .. } => {
                format!(
                    "{}{}",
                    number.as_ref().map_or(String::new(), |number| number.to_string()),
                    line(spans)
                )
            }
            Kind::Code { language, lines } => {
                let lines: String = lines.iter().map(ToString::to_string).collect();
                format!("{}{lines}", language.as_ref().map_or(String::new(), |word| word.to_string()))
            }
        })
        .collect()
}

/// Only marks may be missing from what is shown, and nothing may be added or moved.
fn check_kept(text: &str) {
    let text = SafeText::block(text);
    let shown = shown(&text);
    let mut rest = shown.chars().peekable();
    for c in text.as_ref().chars() {
        if rest.peek() == Some(&c) {
            rest.next();
        } else {
            assert!(
                "*_~`[]()>+- \n".contains(c) || text.as_ref().contains("]("),
                "{c:?} is lost: {text:?} gave {shown:?}"
            );
        }
    }
    assert_eq!(rest.next(), None, "{text:?} gave {shown:?}");
}

proptest! {
    #[test]
    fn nothing_is_lost(text in r"([*_~`>\[\]()\\ \n.a漢@#1-]|https://|\u{301}|👍|```){0,60}") {
        check_kept(&text);
    }

    #[test]
    fn any_text_parses(text in any::<String>()) {
        check_kept(&text);
    }
}

#[test]
fn hostile_text_takes_steps_in_proportion_to_its_length() {
    let pieces = [
        "*",
        "**",
        "*a ",
        "a* ",
        "*a* ",
        "_a ",
        "~~a ",
        "`",
        "`a",
        "``a` ",
        "[",
        "]",
        "[](",
        "](",
        "[a](http://b",
        "(",
        ")",
        "[a](http://b) ",
        "http://a(",
        "http://a/",
        "[a](http://",
        "[a](http://b [",
        "a://",
        "http://",
        "http://a ",
        "@",
        "@a",
        "@aa ",
        "#",
        ">",
        "> ",
        ">\n",
        "> a\n> ```\n",
        "```\n",
        "```a\n",
        "~~~\n````\n",
        "- ",
        "- a\n",
        "1. a\n",
        "\n",
        "\\*",
        "漢*",
        "👍\u{200d}",
        "\u{301}",
        "***a** b* ",
        "[[a]](http://b) ",
    ];
    for piece in pieces {
        let steps = |bytes: usize| parse_counted(&SafeText::block(&piece.repeat(bytes / piece.len()))).1;
        let (small, large) = (steps(1_024), steps(16_384));
        assert!(large <= 20 * small + 1_000, "{piece:?}: {small} steps became {large}");
        assert!(large <= 100 * 16_384, "{piece:?}: {large} steps");
    }
    // Runs of every length, each of which could have a partner.
    let runs: String = (1..180).map(|length| format!("{}a", "`".repeat(length))).collect();
    assert!(parse_counted(&SafeText::block(&runs)).1 <= 20 * runs.len());
}
