//! What each text says of itself, so that it can be followed: when it was sent, by whom, and as which of theirs.

use crate::wire::MARK;

/// Bytes of a text: a common length of a chat message.
pub(crate) const TEXT: usize = 196;

#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    /// Nanoseconds since the generator began.
    pub(crate) sent: u64,
    pub(crate) sender: u32,
    /// Counted by each sender.
    pub(crate) number: u32,
}

impl Stamp {
    /// The text that carries it.
    pub(crate) fn write(self, text: &mut Vec<u8>) {
        text.clear();
        text.extend_from_slice(MARK);
        for (value, digits) in [(self.sent, 16), (self.sender.into(), 8), (self.number.into(), 8)] {
            text.extend(
                (0..digits).rev().map(|digit| b"0123456789abcdef"[(value >> (4 * digit)) as usize & 15]),
            );
        }
        text.resize(TEXT, b'x');
    }

    /// What a text carries, if it is one of ours.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let digits = text.strip_prefix(MARK)?;
        Some(Self {
            sent: hex(digits.get(..16)?)?,
            sender: hex(digits.get(16..24)?)? as u32,
            number: hex(digits.get(24..32)?)? as u32,
        })
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}
