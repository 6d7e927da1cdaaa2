-- The whole SQLite schema as it is today. A new database gets it by the migrations in
-- server/src/store/sqlite/migrations/, and a test proves that they end in exactly this.
--
-- The model is users, messages, groups. Where a message goes, a group or another user, is named by
-- its conversation, so that both kinds share one history, one counter and one set of members.
--
-- Times are milliseconds since the epoch, UTC. They inform; order is seq.

-- What belongs to the database as a whole. `epoch`: a random word, changed by a restore, which
-- tells clients that their caches describe another past.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Accounts. AUTOINCREMENT: an id is never used twice. A deleted account keeps its row, so that its
-- messages keep their sender and its name is never given out again.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT    NOT NULL UNIQUE,   -- lower case
    display_name  TEXT    NOT NULL,
    status_text   TEXT    NOT NULL DEFAULT '',
    password_hash TEXT,                      -- PHC string; NULL: cannot log in by password
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER,                   -- when the last connection ended
    disabled_at   INTEGER,
    deleted_at    INTEGER
) STRICT;

-- One login on one device: the life of one chain of refresh tokens, of which only hashes are kept.
-- An ended session is a deleted row.
CREATE TABLE sessions (
    id            TEXT    NOT NULL PRIMARY KEY,
    user_id       INTEGER NOT NULL REFERENCES users (id),
    device_name   TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    generation    INTEGER NOT NULL,          -- of the newest token
    token_hash    BLOB    NOT NULL,          -- SHA-256 of the newest token
    previous_hash BLOB                       -- of the one it replaced; good until the newest is used
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id);

-- Codes that let people register where registration is by invite; only hashes are kept.
CREATE TABLE invites (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    code_hash  BLOB    NOT NULL UNIQUE,
    note       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left  INTEGER NOT NULL
) STRICT;

-- Where messages live. Every change to a conversation takes the next head_rev, in the transaction
-- that stores the change.
CREATE TABLE conversations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT    NOT NULL CHECK (kind IN ('group', 'direct')),
    head_rev     INTEGER NOT NULL DEFAULT 0, -- of the newest change
    last_seq     INTEGER NOT NULL DEFAULT 0, -- of the newest message
    member_count INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    deleted_at   INTEGER                     -- gone for everyone; its rows are purged in slices
) STRICT;

-- What is left to be purged.
CREATE INDEX conversations_deleted ON conversations (id) WHERE deleted_at IS NOT NULL;

CREATE TABLE groups (
    conversation_id INTEGER NOT NULL PRIMARY KEY REFERENCES conversations (id),
    name            TEXT    NOT NULL UNIQUE, -- lower case
    topic           TEXT    NOT NULL,
    visibility      TEXT    NOT NULL CHECK (visibility IN ('public', 'private'))
) STRICT;

-- The one conversation of two users (of one with themselves: low_user = high_user). Each side
-- becomes a member when it opens the conversation or when the first message is written.
CREATE TABLE directs (
    low_user        INTEGER NOT NULL REFERENCES users (id),
    high_user       INTEGER NOT NULL REFERENCES users (id),
    conversation_id INTEGER NOT NULL UNIQUE REFERENCES conversations (id),
    low_wrote       INTEGER NOT NULL DEFAULT 0, -- both wrote: they see each other's presence
    high_wrote      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (low_user, high_user),
    CHECK (low_user <= high_user)
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    user_id         INTEGER NOT NULL REFERENCES users (id),
    role            TEXT    NOT NULL CHECK (role IN ('owner', 'moderator', 'member')),
    joined_at       INTEGER NOT NULL,
    read_seq        INTEGER NOT NULL,        -- never moves backwards
    level           TEXT    NOT NULL DEFAULT 'all' CHECK (level IN ('all', 'mentions', 'nothing')),
    muted_until     INTEGER,
    marked_unread   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_user ON members (user_id);

-- Messages. The key holds the conversation above bit 32 and the seq below, so that a conversation's
-- history lies together and in order without a secondary index: each of those would dirty one
-- more page per message.
CREATE TABLE messages (
    id              INTEGER PRIMARY KEY,
    conversation_id INTEGER GENERATED ALWAYS AS (id >> 32) VIRTUAL,
    seq             INTEGER GENERATED ALWAYS AS (id & 4294967295) VIRTUAL, -- the rev at which it was created
    rev             INTEGER NOT NULL,        -- of its newest change
    sender_id       INTEGER NOT NULL REFERENCES users (id),
    send_id         BLOB,                    -- client-made UUID; a notice has none
    kind            TEXT    NOT NULL CHECK (kind IN ('text', 'notice')),
    body            TEXT    NOT NULL,        -- empty when deleted
    sent_at         INTEGER NOT NULL,
    edited_at       INTEGER,
    deleted_at      INTEGER,
    reply_to        INTEGER,                 -- seq in the same conversation
    reply_count     INTEGER NOT NULL DEFAULT 0,
    mentions        TEXT,                    -- JSON array of usernames; NULL: nobody
    event           TEXT                     -- of a notice: JSON
) STRICT;

-- Sending the same message again never makes a second one. The id first: clients make it in the order of time, so those of
-- a moment lie together, whoever sent them.
CREATE UNIQUE INDEX messages_by_send_id ON messages (send_id, sender_id) WHERE send_id IS NOT NULL;
-- A new message has rev = seq, so this holds changed messages only, and a send never touches it.
CREATE INDEX messages_changed ON messages (conversation_id, rev) WHERE rev <> seq;
CREATE INDEX messages_by_reply ON messages (conversation_id, reply_to) WHERE reply_to IS NOT NULL;

-- Send ids of messages that were purged with their conversation: still never usable again.
CREATE TABLE retired_sends (
    sender_id       INTEGER NOT NULL,
    send_id         BLOB    NOT NULL,
    conversation_id INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    sent_at         INTEGER NOT NULL,
    PRIMARY KEY (sender_id, send_id)
) STRICT, WITHOUT ROWID;

-- The texts of edited messages, the first as sent (it has no edit_id). A deleted message's texts
-- are gone; the ids stay, so that a late retry is still recognised.
CREATE TABLE edits (
    conversation_id INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    rev             INTEGER NOT NULL,        -- at which this text was written
    editor_id       INTEGER NOT NULL REFERENCES users (id),
    edit_id         BLOB,                    -- client-made UUID
    body            TEXT,
    edited_at       INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, seq, rev)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX edits_by_edit_id ON edits (editor_id, edit_id) WHERE edit_id IS NOT NULL;

CREATE TABLE reactions (
    conversation_id INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    emoji           TEXT    NOT NULL,
    user_id         INTEGER NOT NULL REFERENCES users (id),
    rev             INTEGER NOT NULL,        -- at which it was added: the order of first use
    PRIMARY KEY (conversation_id, seq, emoji, user_id)
) STRICT, WITHOUT ROWID;
