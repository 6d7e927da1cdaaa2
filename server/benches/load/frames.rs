//! What the generator of the publishing part sends and counts, as cheaply as can be: what it spends is missing at the
//! server, beside which it runs.

use crate::BODY;

/// A `send` frame, masked with zeros, which is what it is without.
pub(crate) struct Frames {
    frame: Vec<u8>,
    /// Where the send id has its last twelve digits.
    id: std::ops::Range<usize>,
    sent: u64,
}

impl Frames {
    pub(crate) fn new(group: i64) -> Self {
        let id = uuid::Uuid::now_v7();
        let head = format!(r#"{{"type":"send","id":"{id}"#);
        let text = format!(r#"{head}","conversation_id":{group},"body":"{:x>BODY$}"}}"#, "");
        let length = u16::try_from(text.len()).unwrap();
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        let end = frame.len() + head.len();
        frame.extend_from_slice(text.as_bytes());
        Self { frame, id: end - 12..end, sent: 0 }
    }

    /// Appends the next one.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) {
        self.sent += 1;
        let mut left = self.sent;
        for digit in self.frame[self.id.clone()].iter_mut().rev() {
            *digit = b"0123456789abcdef"[(left & 15) as usize];
            left >>= 4;
        }
        out.extend_from_slice(&self.frame);
    }
}

/// Counts the acks in what arrives, also where one lies across two pieces.
#[derive(Default)]
pub(crate) struct Acks {
    kept: Vec<u8>,
}

impl Acks {
    const ACK: &'static [u8] = br#"{"type":"ack""#;

    pub(crate) fn count(&mut self, piece: &[u8]) -> u64 {
        self.kept.extend_from_slice(piece);
        let found = memchr::memmem::find_iter(&self.kept, Self::ACK).count() as u64;
        let rest = self.kept.len().saturating_sub(Self::ACK.len() - 1);
        self.kept.drain(..rest);
        found
    }
}
