//! Why a connection ends, by number. The range tells a client that does not know the number what to do.

/// What a client does after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Connect again, with a growing, jittered delay.
    Reconnect,
    /// Stop, and tell the user.
    Stop,
}

/// A close code of RFC 6455 or of `chat.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// Closed on purpose.
    Normal = 1000,
    /// The peer goes away.
    GoingAway = 1001,
    /// The peer broke the WebSocket protocol.
    Protocol = 1002,
    /// Only text frames are spoken here.
    Unsupported = 1003,
    /// Not UTF-8.
    InvalidData = 1007,
    /// A frame or message above the limit.
    TooBig = 1009,
    /// The server restarts: come back after the `retry_after_ms=N` of the reason.
    Restart = 1012,
    /// The access token expired while connected.
    TokenExpired = 4001,
    /// Reads too slowly.
    TooSlow = 4008,
    /// Silent for two heartbeats.
    Silent = 4010,
    /// The session ended: logged out or revoked.
    SessionEnded = 4500,
    /// Too many frames in a row that could not be understood.
    BadFrames = 4501,
    /// The account is disabled or deleted.
    AccountDisabled = 4503,
    /// The user has too many connections.
    TooManyConnections = 4504,
}

impl CloseCode {
    /// Every code the server sends.
    pub const ALL: &'static [CloseCode] = &[
        Self::Normal,
        Self::GoingAway,
        Self::Protocol,
        Self::Unsupported,
        Self::InvalidData,
        Self::TooBig,
        Self::Restart,
        Self::TokenExpired,
        Self::TooSlow,
        Self::Silent,
        Self::SessionEnded,
        Self::BadFrames,
        Self::AccountDisabled,
        Self::TooManyConnections,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The reason on the wire when there is nothing more exact to say.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "bye",
            Self::GoingAway => "going away",
            Self::Protocol => "protocol error",
            Self::Unsupported => "only text frames are spoken here",
            Self::InvalidData => "not UTF-8",
            Self::TooBig => "frame too large",
            Self::Restart => "the server restarts",
            Self::TokenExpired => "the access token expired",
            Self::TooSlow => "too slow to read",
            Self::Silent => "silent too long",
            Self::SessionEnded => "the session ended",
            Self::BadFrames => "too many bad frames",
            Self::AccountDisabled => "the account is disabled",
            Self::TooManyConnections => "too many connections",
        }
    }
}

/// What to do after a close with this code; also for codes that do not exist yet.
///
/// `None` is a connection that broke without a close frame.
pub fn after(code: Option<u16>) -> After {
    match code {
        Some(1002 | 1003 | 1007 | 1009 | 4500..=4599) => After::Stop,
        _ => After::Reconnect,
    }
}

/// The delay that a close reason asks for, as `retry_after_ms=N` anywhere in it. At most a minute is
/// believed.
pub fn retry_after_ms(reason: &str) -> Option<u64> {
    let at = reason.find("retry_after_ms=")? + "retry_after_ms=".len();
    let digits: String = reason[at..].chars().take_while(char::is_ascii_digit).take(9).collect();
    digits.parse::<u64>().ok().map(|ms| ms.min(60_000))
}
