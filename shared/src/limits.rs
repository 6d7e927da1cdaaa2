//! Every limit, with its name and its reason. The ones a client must know are told in `ready`.

use serde::{Deserialize, Serialize};

/// Shortest username or group name: one letter is too easily a typing error.
pub const HANDLE_MIN: usize = 2;
/// Longest username: fits a column of a terminal.
pub const USERNAME_MAX: usize = 32;
/// Longest group name: room for `team-project-topic`.
pub const GROUP_NAME_MAX: usize = 64;
/// Longest display name, in characters: fits a line beside a message.
pub const DISPLAY_NAME_MAX: usize = 64;
/// Longest status text, in characters.
pub const STATUS_TEXT_MAX: usize = 100;
/// Longest topic, in characters: about three lines of a terminal.
pub const TOPIC_MAX: usize = 250;
/// Longest device name, in characters.
pub const DEVICE_NAME_MAX: usize = 64;
/// Longest emoji: a family of four with skin tones has 41 bytes.
pub const EMOJI_MAX_BYTES: usize = 64;

/// Shortest password, in characters (after NFC).
pub const PASSWORD_MIN: usize = 10;
/// Longest password, in bytes: nobody types more, and hashing it must not be a weapon.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// Longest message text: several screens; longer things are files.
pub const BODY_MAX_BYTES: usize = 16 * 1024;
/// Longest frame from a client: a body in which every byte is escaped (`\u0001`) would need six
/// times its size; four times is more than any honest text needs.
pub const FRAME_MAX_BYTES: usize = 64 * 1024;
/// Longest HTTP body, for the same reason.
pub const HTTP_BODY_MAX_BYTES: usize = 64 * 1024;
/// Rows of one page at the most.
pub const PAGE_MAX: usize = 200;
/// Rows of one page when the caller does not say.
pub const PAGE_DEFAULT: usize = 50;
/// Up to where unread messages are counted exactly; beyond it clients show "more".
pub const UNREAD: u32 = 999;
/// Conversations a user can be a member of: `ready` names them all in one frame.
pub const MEMBERSHIPS: usize = 2_000;
/// Members of one group: membership is held in memory.
pub const GROUP_MEMBERS: usize = 20_000;
/// Connections a user can have at once: every device several times over.
pub const CONNECTIONS: usize = 20;
/// Sessions a user can have at once; the one not used for longest ends when there are more.
pub const SESSIONS: usize = 50;
/// Different emoji on one message: more cannot be shown on a line.
pub const REACTION_KINDS: usize = 20;
/// Names told with a reaction; beyond them only the count.
pub const REACTION_USERS: usize = 50;
/// Names that one message can mention: more is noise.
pub const MENTIONS: usize = 50;
/// In groups of more members presence and typing are not pushed and `@here` names nobody: their
/// cost grows with the square of the members.
pub const PRESENCE_MEMBERS: usize = 250;
/// Sends a user can make at once before [`SEND_RATE`] holds.
pub const SEND_BURST: u32 = 30;
/// Sends per second and user in the long run.
pub const SEND_RATE: u32 = 10;
/// Of the messages above a read cursor the newest this many are looked at: whoever writes without ever
/// reading (a bot) must not make its own log-in slow.
pub const UNREAD_SCAN: u32 = 10_000;
/// How long a typing notice is good for, in milliseconds.
pub const TYPING_MS: u64 = 6_000;
/// How often the server pings and how often clients should, in milliseconds. Whoever is silent for two of them is
/// gone: twice this is how long somebody whose network vanished seems to be there.
pub const HEARTBEAT_MS: u64 = 20_000;
/// Frames in a row that cannot be understood before the connection is closed (4501).
pub const BAD_FRAMES: u32 = 10;
/// Fragments of one WebSocket message: real clients send one.
pub const FRAGMENTS: u32 = 64;

/// The limits a client must know, as told in `ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a message's text.
    pub body: usize,
    /// Bytes of a frame from a client.
    pub frame: usize,
    /// Rows of a page.
    pub page: usize,
    /// Sends at once.
    pub send_burst: u32,
    /// Sends per second in the long run.
    pub send_rate: u32,
    /// Conversations of a user.
    pub memberships: usize,
    /// Connections of a user.
    pub connections: usize,
    /// Up to where unread is exact.
    pub unread: u32,
    /// Different emoji on a message.
    pub reactions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: BODY_MAX_BYTES,
            frame: FRAME_MAX_BYTES,
            page: PAGE_MAX,
            send_burst: SEND_BURST,
            send_rate: SEND_RATE,
            memberships: MEMBERSHIPS,
            connections: CONNECTIONS,
            unread: UNREAD,
            reactions: REACTION_KINDS,
        }
    }
}
