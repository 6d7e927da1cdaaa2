//! Bugs that can be planted, so that the torture test can show that it finds them.
//!
//! Only with the feature `planted`, which is for that test alone: it does not compile without debug assertions,
//! so no release has it. Without it [`planted`] is always false, and nothing remains of it in the program.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("the feature `planted` is for tests: it is never part of a release");

macro_rules! bugs {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A bug that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug { $($(#[$doc])* $variant,)* }

        impl Bug {
            /// Every one.
            pub const ALL: &'static [Bug] = &[$(Bug::$variant,)*];

            /// What it is called in `CHAT_PLANTED`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

bugs! {
    /// A write is answered before its transaction is committed.
    AckBeforeCommit = "ack_before_commit",
    /// A write is answered as done although its transaction failed.
    AckFailedCommit = "ack_failed_commit",
    /// The disk is asked to keep what was committed only now and then. Only a power cut shows it.
    FlushSkipped = "flush_skipped",
    /// The disk is never asked to keep anything.
    FlushNever = "flush_never",
    /// Operations of one batch run the other way round.
    BatchReversed = "batch_reversed",
    /// A send id is not looked up.
    SendLookupSkipped = "send_lookup_skipped",
    /// A send whose id is known is stored once more, under another id.
    SentTwice = "sent_twice",
    /// A new message leaves a rev out.
    RevSkipped = "rev_skipped",
    /// A change takes the rev of the one before.
    RevTwice = "rev_twice",
    /// An edit that is repeated writes its text once more.
    LateEditWins = "late_edit_wins",
    /// An edit is not told to anybody.
    EditNotPublished = "edit_not_published",
    /// A deleted message keeps its text.
    DeleteKeepsText = "delete_keeps_text",
    /// A deleted message keeps its earlier texts.
    DeleteKeepsEdits = "delete_keeps_edits",
    /// A reaction is answered but not stored.
    ReactionLost = "reaction_lost",
    /// A reaction that is taken back stays.
    ReactionKept = "reaction_kept",
    /// Everybody may read everything.
    ReadUnchecked = "read_unchecked",
    /// Everybody may write everywhere.
    WriteUnchecked = "write_unchecked",
    /// Everybody is told the changes of everything.
    ChangesUnchecked = "changes_unchecked",
    /// Old messages that changed are not among the changes.
    ChangesForgetEdits = "changes_forget_edits",
    /// A read cursor goes where it is told, also back.
    CursorGoesBack = "cursor_goes_back",
    /// Own messages count as unread.
    UnreadOwn = "unread_own",
    /// A deleted reply still counts.
    ReplyCountWrong = "reply_count_wrong",
    /// A text names people who are no members.
    MentionsStrangers = "mentions_strangers",
    /// Somebody leaves, and no notice tells of it.
    NoticeMissing = "notice_missing",
    /// Somebody leaves, and is still counted.
    MemberCountWrong = "member_count_wrong",
    /// A restored database keeps its epoch.
    EpochKept = "epoch_kept",
    /// The send ids of a deleted group are forgotten.
    RetiredIdsUsable = "retired_ids_usable",
    /// Some events are not told to somebody.
    EventDropped = "event_dropped",
    /// Some events are told twice.
    EventTwice = "event_twice",
    /// Some events overtake the one before.
    OutOfOrder = "out_of_order",
    /// Whoever was removed is still told of everything.
    RemovedStillReceives = "removed_still_receives",
    /// Whoever was removed is not told so.
    RemovalNotTold = "removal_not_told",
    /// Whoever was added is told of nothing.
    JoinedMissesEvents = "joined_misses_events",
    /// Everybody is told who types where.
    TypingLeaks = "typing_leaks",
    /// Nobody is told who went offline.
    PresenceNeverGone = "presence_never_gone",
    /// A cursor that moved is not told to the user's other devices.
    CursorNotTold = "cursor_not_told",
    /// The connections of an ended session stay.
    EndedStaysConnected = "ended_stays_connected",
    /// Whoever missed events is not told so.
    ResyncNotSent = "resync_not_sent",
    /// What waits for a slow reader has no bound.
    QueueUnbounded = "queue_unbounded",
    /// A reader that never reads is kept.
    SlowKept = "slow_kept",
    /// A peer that is silent is kept.
    SilentKept = "silent_kept",
    /// The snapshot is read before the connection is told of events.
    ReadyBeforeSubscribe = "ready_before_subscribe",
    /// Events do not wait for `ready`.
    ReadyNotFirst = "ready_not_first",
    /// Bad frames are answered without end.
    BadFramesForgiven = "bad_frames_forgiven",
    /// Fragments are taken without end.
    FragmentsUnlimited = "fragments_unlimited",
    /// The access tokens of an ended session are accepted.
    EndedTokenAccepted = "ended_token_accepted",
    /// A replaced refresh token can be used again.
    RefreshReuseAccepted = "refresh_reuse_accepted",
    /// A refresh whose answer was lost ends the session.
    LostRefreshEnds = "lost_refresh_ends",
    /// A refresh at an earlier time of day lets the session live less long.
    RefreshShortens = "refresh_shortens",
    /// A new password leaves the other sessions alone.
    PasswordKeepsSessions = "password_keeps_sessions",
    /// The server stops without a word to anybody.
    NoLeaveTaken = "no_leave_taken",
}

/// Is this bug planted? The environment says so, once.
#[cfg(feature = "planted")]
pub fn planted(bug: Bug) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("CHAT_PLANTED").ok()?;
        Bug::ALL.iter().copied().find(|bug| bug.name() == name)
    });
    *chosen == Some(bug)
}

/// No bug is planted.
#[cfg(not(feature = "planted"))]
pub const fn planted(_bug: Bug) -> bool {
    false
}
