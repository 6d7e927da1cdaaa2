//! Bytes to messages, however they arrive.

use super::*;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x12, 0xF4, 0x00, 0x9C];

/// A client's frame; `first`: its first byte (FIN, RSV, opcode).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        n @ 0..=125 => bytes.push(0x80 | n as u8),
        n @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// What comes out, in words; a violation as its number.
fn decode(reads: impl IntoIterator<Item = Vec<u8>>) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    let now = Instant::now();
    for mut read in reads {
        let result = decoder.feed(&mut read, now, |incoming| {
            out.push(match incoming {
                Incoming::Text(text) => format!("text {text}"),
                Incoming::Ping(payload) => format!("ping {}", String::from_utf8_lossy(payload)),
                Incoming::Pong => "pong".to_owned(),
                Incoming::Close => "close".to_owned(),
            });
            ControlFlow::Continue(())
        });
        if let Err(violation) = result {
            out.push(violation.code.code().to_string());
            return out;
        }
    }
    out
}

const TEXT: u8 = 0x81;
const TEXT_BEGIN: u8 = 0x01;
const CONTINUE: u8 = 0x00;
const CONTINUE_END: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

#[test]
fn each_malformed_frame_has_its_close_code() {
    let mut unmasked = frame(TEXT, b"hi");
    unmasked[1] &= 0x7F;
    let big = vec![b'x'; FRAME_MAX_BYTES + 1];
    let close = |code: u16, reason: &[u8]| frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat());
    let table: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("text", frame(TEXT, "grüß".as_bytes()), &["text grüß"]),
        ("empty text", frame(TEXT, b""), &["text "]),
        ("largest", frame(TEXT, &big[1..]), &[]),
        ("too large", frame(TEXT, &big), &["1009"]),
        ("rsv1", frame(0xC1, b"hi"), &["1002"]),
        ("rsv2", frame(0xA1, b"hi"), &["1002"]),
        ("rsv3", frame(0x91, b"hi"), &["1002"]),
        ("opcode 3", frame(0x83, b"hi"), &["1002"]),
        ("opcode 11", frame(0x8B, b"hi"), &["1002"]),
        ("unmasked", unmasked, &["1002"]),
        ("binary", frame(0x82, b"hi"), &["1003"]),
        ("fragmented ping", frame(0x09, b"hi"), &["1002"]),
        ("ping of 125", frame(PING, &big[..125]), &[]),
        ("ping of 126", frame(PING, &big[..126]), &["1002"]),
        ("stray continuation", frame(CONTINUE_END, b"hi"), &["1002"]),
        ("bad utf-8", frame(TEXT, b"\xff\xfe"), &["1007"]),
        ("close", frame(CLOSE, b""), &["close"]),
        ("close 1000", close(1000, b"bye"), &["close"]),
        ("close of one byte", frame(CLOSE, b"x"), &["1002"]),
        ("close 999", close(999, b""), &["1002"]),
        ("close 1005", close(1005, b""), &["1002"]),
        ("close 5000", close(5000, b""), &["1002"]),
        ("close with bad reason", close(1000, b"\xff"), &["1007"]),
        ("text in text", [frame(TEXT_BEGIN, b"a"), frame(TEXT, b"b")].concat(), &["1002"]),
    ];
    for (name, bytes, expected) in table {
        let found = decode([bytes]);
        if expected.is_empty() {
            assert!(found[0].starts_with("text x") || found[0].starts_with("ping x"), "{name}: {found:?}");
        } else {
            assert_eq!(found, expected, "{name}");
        }
    }
}

#[test]
fn fragments_are_joined_and_control_frames_may_stand_between() {
    let bytes = [
        frame(TEXT_BEGIN, b"a\xC3"),
        frame(PING, b"p"),
        frame(CONTINUE, b"\xA4b"),
        frame(CONTINUE_END, b"c"),
        frame(TEXT, b"next"),
    ]
    .concat();
    assert_eq!(decode([bytes]), ["ping p", "text aäbc", "text next"]);
}

#[test]
fn floods_of_fragments_are_cut() {
    let mut reads = vec![frame(TEXT_BEGIN, b"")];
    reads.extend((0..FRAGMENTS - 1).map(|_| frame(CONTINUE, b"")));
    assert!(decode(reads.clone()).is_empty());
    reads.push(frame(CONTINUE, b""));
    assert_eq!(decode(reads), ["1002"]);
}

#[test]
fn fragments_together_keep_the_limit() {
    let half = vec![b'x'; FRAME_MAX_BYTES / 2 + 1];
    assert_eq!(decode([frame(TEXT_BEGIN, &half), frame(CONTINUE_END, &half)]), ["1009"]);
}

#[test]
fn a_message_that_does_not_end_is_cut() {
    let mut decoder = Decoder::default();
    let begin = Instant::now();
    let never = |_: Incoming<'_>| ControlFlow::Continue(());
    assert!(decoder.feed(&mut frame(TEXT_BEGIN, b"a"), begin, never).is_ok());
    let late = begin + MESSAGE_TIME + Duration::from_millis(1);
    assert!(decoder.feed(&mut frame(CONTINUE, b"a"), late, never).is_err());
}

#[test]
fn a_finished_message_starts_the_clock_anew() {
    let mut decoder = Decoder::default();
    let begin = Instant::now();
    let never = |_: Incoming<'_>| ControlFlow::Continue(());
    let mut first = frame(TEXT, b"a");
    first.extend(&frame(TEXT, b"b")[..3]);
    assert!(decoder.feed(&mut first, begin, never).is_ok());
    let mut second = frame(TEXT, b"b")[3..].to_vec();
    second.extend(&frame(TEXT, b"c")[..3]);
    assert!(decoder.feed(&mut second, begin + Duration::from_secs(9), never).is_ok());
    assert_eq!(decoder.incomplete_since(), Some(begin + Duration::from_secs(9)));
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut_the_messages_are_the_same(
        texts in prop::collection::vec("\\PC{0,200}", 1..8),
        cuts in prop::collection::vec(1_usize..400, 1..40),
    ) {
        let stream: Vec<u8> = texts.iter().flat_map(|text| frame(TEXT, text.as_bytes())).collect();
        let mut reads = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            reads.push(head.to_vec());
            rest = tail;
        }
        let expected: Vec<String> = texts.iter().map(|text| format!("text {text}")).collect();
        prop_assert_eq!(decode(reads), expected);
    }

    #[test]
    fn no_bytes_make_it_panic(reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6)) {
        decode(reads);
    }
}
