//! The classic cases for a WebSocket server, in their usual order (1 frames, 2 pings, 3 reserved bits,
//! 4 opcodes, 5 fragments, 6 UTF-8, 7 closing), for a server that takes only text. Each is sent at once, in
//! pieces and octet by octet, and is answered the same.

use crate::harness::TestServer;
use crate::wire::{Raw, frame};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

/// A case: what it is, what is sent, and what is answered, in words.
type Case = (String, Vec<u8>, Vec<String>);

/// Cases at once.
const AT_ONCE: usize = 16;
/// More than this is not sent octet by octet.
const SMALL: usize = 200;

const BEGIN: u8 = 0x01;
const GO_ON: u8 = 0x00;
const END: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;
const TEXT: u8 = 0x81;

/// A text that is answered with what it says, this long if that is possible.
fn saying(text: &str, length: usize) -> Vec<u8> {
    let mut bytes = json!({"type": "ping", "id": text}).to_string().into_bytes();
    bytes.resize(bytes.len().max(length), b' ');
    bytes
}

fn said(text: &str) -> String {
    format!("said {text}")
}

/// A text around bytes that need not be UTF-8.
fn around(bytes: &[u8]) -> Vec<u8> {
    [br#"{"type":"ping","id":""#, bytes, br#""}"#].concat()
}

/// A message in these fragments.
fn fragments<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.into_iter().collect();
    let last = parts.len() - 1;
    let first = |at| (if at == 0 { BEGIN } else { GO_ON }) | (if at == last { END } else { 0 });
    parts.iter().enumerate().flat_map(|(at, part)| frame(first(at), part)).collect()
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>, answers: &[&str]) {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        self.0.push((name.into(), bytes.into(), answers));
    }
}

fn lengths(cases: &mut Cases) {
    // Also those around which the header changes.
    for length in [0, 125, 126, 127, 128, 65_535, 65_536] {
        let text = saying("x", length);
        cases.add(format!("1: a text of {}", text.len()), frame(TEXT, &text), &["said x"]);
    }
    cases.add("1: an empty text", frame(TEXT, b""), &["error invalid_request"]);
    let in_halves = saying("x", 65_536);
    cases.add("1: 65536 in halves", fragments(in_halves.chunks(32_768)), &["said x"]);
}

fn pings(cases: &mut Cases) {
    cases.add("2: an empty ping", frame(PING, b""), &["pong []"]);
    cases.add("2: a ping of bytes", frame(PING, b"\x00\xFF\xFE"), &["pong [0, 255, 254]"]);
    let longest = [0xFE; 125];
    cases.add("2: the longest ping", frame(PING, &longest), &[&format!("pong {longest:?}")]);
    cases.add("2: a longer ping", frame(PING, &[0xFE; 126]), &["close 1002"]);
    let unasked = [frame(PONG, b""), frame(PONG, b"unasked"), frame(PING, b"1")].concat();
    cases.add("2: pongs that nobody asked for", unasked, &["pong [49]"]);
    let ten: Vec<u8> = (0..10).flat_map(|n| frame(PING, &[n])).collect();
    let answers: Vec<String> = (0..10).map(|n| format!("pong [{n}]")).collect();
    cases.0.push(("2: ten pings".to_owned(), ten, answers));
}

fn reserved(cases: &mut Cases) {
    for bits in 1..8_u8 {
        for kind in [TEXT, END, CLOSE, PING, PONG, 0x82] {
            let bytes = frame(kind | bits << 4, b"");
            cases.add(format!("3: reserved bits {bits} with {kind:x}"), bytes, &["close 1002"]);
        }
    }
    for opcode in (3..8).chain(11..16) {
        cases.add(format!("4: opcode {opcode}"), frame(0x80 | opcode, b""), &["close 1002"]);
        let inside = [frame(BEGIN, b"{"), frame(0x80 | opcode, b"x")].concat();
        cases.add(format!("4: opcode {opcode} in a message"), inside, &["close 1002"]);
    }
}

fn fragmented(cases: &mut Cases) {
    let text = saying("x", 0);
    let halves = || text.split_at(7);
    cases.add("5: a ping in fragments", [frame(0x09, b"a"), frame(END, b"b")].concat(), &["close 1002"]);
    cases.add("5: a pong in fragments", [frame(0x0A, b"a"), frame(END, b"b")].concat(), &["close 1002"]);
    cases.add("5: two fragments", fragments([halves().0, halves().1]), &["said x"]);
    cases.add("5: octets", fragments(text.chunks(1)), &["said x"]);
    cases.add("5: with empty ones", fragments([b"", halves().0, b"", halves().1, b""]), &["said x"]);
    let ping_within = [frame(BEGIN, halves().0), frame(PING, b"p"), frame(END, halves().1)].concat();
    cases.add("5: a ping within", ping_within, &["pong [112]", "said x"]);
    let pong_within = [frame(BEGIN, halves().0), frame(PONG, b"p"), frame(END, halves().1)].concat();
    cases.add("5: a pong within", pong_within, &["said x"]);
    for first in [GO_ON, END] {
        cases.add(format!("5: nothing to continue ({first:x})"), frame(first, b"x"), &["close 1002"]);
        let after = [fragments([halves().0, halves().1]), frame(first, b"x")].concat();
        cases.add(format!("5: nothing more to continue ({first:x})"), after, &["said x", "close 1002"]);
    }
    for second in [TEXT, BEGIN, 0x82, 0x02] {
        let inside = [frame(BEGIN, halves().0), frame(second, halves().1)].concat();
        cases.add(format!("5: a message ({second:x}) within another"), inside, &["close 1002"]);
    }
    let closed_within = [frame(BEGIN, halves().0), close(1000, b""), frame(END, halves().1)].concat();
    cases.add("5: a close within", closed_within, &["close 1000"]);
    cases.add("5: 64 fragments", fragments(saying("x", 64).chunks(1)), &["said x"]);
    cases.add("5: 65 fragments", fragments(saying("x", 65).chunks(1)), &["close 1002"]);
}

fn utf8(cases: &mut Cases) {
    let valid = [
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}",
        "\u{D7FF}\u{E000}\u{FFFD}\u{FFFE}\u{1FFFE}",
    ];
    for text in valid {
        let bytes = saying(text, 0);
        cases.add(format!("6: {text:?}"), frame(TEXT, &bytes), &[&said(text)]);
        let odd = bytes.chunks(3).take(64);
        cases.add(format!("6: {text:?} in fragments"), fragments(odd), &[&said(text)]);
        let at_each = bytes.chunks(1);
        cases.add(format!("6: {text:?} in octets"), fragments(at_each), &[&said(text)]);
    }
    let invalid: [&[u8]; 22] = [
        // Surrogates, alone and in pairs.
        b"\xED\xA0\x80",
        b"\xED\xBF\xBF",
        b"\xED\xA0\x80\xED\xB0\x80",
        // Beyond the last one, and of five and six octets.
        b"\xF4\x90\x80\x80",
        b"\xF7\xBF\xBF\xBF",
        b"\xF8\x88\x80\x80\x80",
        b"\xFC\x84\x80\x80\x80\x80",
        // Continuing nothing.
        b"\x80",
        b"\xBF",
        b"\x80\xBF\x80\xBF",
        // Continued by nothing.
        b"\xC0 ",
        b"\xDF ",
        b"\xE0\x80 ",
        b"\xEF\xBF ",
        b"\xF0\x90\x80 ",
        // Never.
        b"\xFE",
        b"\xFF",
        // Longer than need be.
        b"\xC0\xAF",
        b"\xE0\x80\xAF",
        b"\xF0\x80\x80\xAF",
        b"\xC1\xBF",
        b"\xC0\x80",
    ];
    for bytes in invalid {
        let name = format!("6: {bytes:x?}");
        let whole = around(bytes);
        cases.add(&*name, frame(TEXT, &whole), &["close 1007"]);
        cases.add(format!("{name} in octets"), fragments(whole.chunks(1)), &["close 1007"]);
        let (begin, end) = whole.split_at(20);
        cases.add(format!("{name} in the last fragment"), fragments([begin, end]), &["close 1007"]);
        // Nobody waits for the end of what cannot become text.
        let endless = [frame(BEGIN, begin), frame(GO_ON, end)].concat();
        cases.add(format!("{name} in a fragment that is not the last"), endless, &["close 1007"]);
    }
    let (begin, end) = ("κόσμ".as_bytes(), &"ε".as_bytes()[..1]);
    cases.add("6: half a letter at the end", fragments([begin, end]), &["close 1007"]);
    cases.add("6: half a letter", frame(TEXT, &[begin, end].concat()), &["close 1007"]);
}

fn closing(cases: &mut Cases) {
    let text = saying("x", 0);
    cases.add(
        "7: after a text",
        [frame(TEXT, &text), close(1000, b"bye")].concat(),
        &["said x", "close 1000"],
    );
    for after in [frame(TEXT, &text), frame(PING, b""), close(1000, b"again"), frame(END, b"x")] {
        let name = format!("7: nothing after it ({:x})", after[0]);
        cases.add(name, [close(1000, b""), after].concat(), &["close 1000"]);
    }
    cases.add("7: without a code", frame(CLOSE, b""), &["close 1000"]);
    cases.add("7: of one octet", frame(CLOSE, b"x"), &["close 1002"]);
    cases.add("7: the longest reason", close(1000, &[b'x'; 123]), &["close 1000"]);
    cases.add("7: a longer reason", close(1000, &[b'x'; 124]), &["close 1002"]);
    cases.add("7: a reason that is no text", close(1000, "κόσμε".as_bytes().split_at(9).0), &["close 1007"]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        cases.add(format!("7: {code}"), close(code, b"bye"), &["close 1000"]);
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.add(format!("7: {code}"), close(code, b"bye"), &["close 1002"]);
    }
}

/// A frame of the server's, in words.
fn word(opcode: u8, payload: &[u8]) -> Option<String> {
    match opcode {
        1 => {
            let frame: Value = serde_json::from_slice(payload).unwrap();
            match frame["type"].as_str().unwrap() {
                "pong" => Some(said(frame["id"].as_str().unwrap())),
                "error" => Some(format!("error {}", frame["code"].as_str().unwrap())),
                // `ready`, and who is online.
                _ => None,
            }
        }
        8 => Some(format!("close {}", u16::from_be_bytes([payload[0], payload[1]]))),
        10 => Some(format!("pong {payload:?}")),
        _ => panic!("opcode {opcode}"),
    }
}

/// Sends a case in pieces of this size; what was answered, without the good-bye that follows a case which
/// the connection survives.
async fn answers(raw: &mut Raw, case: &Case, piece: usize) -> Vec<String> {
    let (name, bytes, expected) = case;
    raw.stream.set_nodelay(true).unwrap();
    for piece in bytes.chunks(piece) {
        raw.write(piece).await;
    }
    let is_survived = !expected.iter().any(|answer| answer.starts_with("close"));
    let mut found: Vec<String> = Vec::new();
    loop {
        if is_survived && found.len() == expected.len() {
            raw.write(&close(1000, b"")).await;
        }
        let (opcode, payload) =
            raw.frame().await.unwrap_or_else(|| panic!("{name}: no close frame: {found:?}"));
        let Some(word) = word(opcode, &payload) else { continue };
        if opcode == 8 {
            if !is_survived || word != "close 1000" {
                found.push(word);
            }
            // The server waits for our end for a while.
            let _ = socket2::SockRef::from(&raw.stream).shutdown(std::net::Shutdown::Write);
            assert_eq!(raw.frame().await, None, "{name}: nothing follows a close frame");
            return found;
        }
        found.push(word);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_27_every_classic_case_is_answered_the_same_however_it_arrives() {
    let server = TestServer::with(&[("CHAT_MAX_CONNECTIONS_PER_USER", "1000")]).await;
    let alice = server.user("alice").await;
    let mut cases = Cases(Vec::new());
    for part in [lengths, pings, reserved, fragmented, utf8, closing] {
        part(&mut cases);
    }
    assert!(cases.0.len() > 200);
    let runs = cases.0.iter().flat_map(|case| {
        let pieces: &[usize] = if case.1.len() <= SMALL { &[usize::MAX, 3, 1] } else { &[usize::MAX, 997] };
        pieces.iter().map(move |piece| (case, *piece))
    });
    let alice = &alice;
    let wrong: Vec<String> = futures_util::stream::iter(runs)
        .map(|(case, piece)| async move {
            let mut raw = Raw::connect(alice).await;
            let found = answers(&mut raw, case, piece).await;
            (found != case.2).then(|| format!("{} by {piece}: {found:?} for {:?}", case.0, case.2))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    server.stop().await;
}
