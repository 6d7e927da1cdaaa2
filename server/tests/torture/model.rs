//! What the clients know: what they asked for, and what was acknowledged. From it follows what must be there.

use chat_shared::frame::ClientFrame;
use chat_shared::{ConversationId, Seq};
use std::collections::{BTreeMap, HashMap};

/// A place of a message: conversation and seq.
pub(crate) type Place = (i64, i64);
/// A check that failed, and on what.
pub(crate) type Wrong = (&'static str, String);

/// A message that somebody asked to be sent.
pub(crate) struct Sent {
    pub(crate) user: String,
    pub(crate) frame: ClientFrame,
    /// Where it was acknowledged to be.
    pub(crate) acked: Option<Place>,
    /// Refused for good, and never in doubt: it must not be there.
    pub(crate) refused: bool,
}

/// A message as it must stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    pub(crate) id: String,
    /// The body of each rev that wrote one; the newest counts.
    pub(crate) bodies: BTreeMap<i64, String>,
    pub(crate) deleted: bool,
    /// By user and emoji, as last acknowledged. Not there: in doubt.
    pub(crate) reactions: HashMap<(String, String), Option<bool>>,
    /// A deletion was asked for, and its answer was lost for good.
    pub(crate) maybe_deleted: bool,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) sends: HashMap<String, Sent>,
    pub(crate) texts: BTreeMap<Place, Text>,
    /// By edit id: where and at which rev it was acknowledged.
    edits: HashMap<String, (Place, i64)>,
    /// Which change each rev of each conversation was acknowledged to.
    revs: HashMap<Place, String>,
    /// The highest read cursor that was told, by user and conversation.
    pub(crate) reads: HashMap<(String, i64), i64>,
    /// The last change of membership that was acknowledged, by user and group: inside? In doubt: none.
    pub(crate) inside: HashMap<(String, i64), Option<bool>>,
    /// How much was acknowledged, by kind; what was acknowledged again counts once.
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

/// The id by which a frame is answered.
pub(crate) fn id_of(frame: &ClientFrame) -> Option<String> {
    match frame {
        ClientFrame::Send { id, .. }
        | ClientFrame::Edit { id, .. }
        | ClientFrame::Delete { id, .. }
        | ClientFrame::React { id, .. } => Some(id.to_string()),
        _ => None,
    }
}

impl Model {
    pub(crate) fn asked(&mut self, user: &str, frame: &ClientFrame) {
        if let ClientFrame::Send { id, .. } = frame {
            let sent = || Sent { user: user.to_owned(), frame: frame.clone(), acked: None, refused: false };
            self.sends.entry(id.to_string()).or_insert_with(sent);
        }
    }

    /// An `ack` came. Wrong: it contradicts another.
    pub(crate) fn acked(&mut self, user: &str, frame: &ClientFrame, seq: i64, rev: i64) -> Result<(), Wrong> {
        match frame {
            ClientFrame::Send { id, conversation_id, body, .. } => {
                let (id, place) = (id.to_string(), (conversation_id.get(), seq));
                let sent = self
                    .sends
                    .get_mut(&id)
                    .ok_or_else(|| ("first_answer", format!("{id} was never sent")))?;
                if let Some(before) = sent.acked.replace(place) {
                    let same = before == place && rev == seq;
                    return same
                        .then_some(())
                        .ok_or_else(|| ("first_answer", format!("{id}: {before:?}, then {place:?}")));
                }
                self.count("messages");
                self.take_rev(place, &id)?;
                // Others may have heard of it first, and changed it.
                let text = self.texts.entry(place).or_default();
                text.bodies.insert(seq, body.as_str().to_owned());
                let other = std::mem::replace(&mut text.id, id.clone());
                if other.is_empty() {
                    return Ok(());
                }
                Err(("first_answer", format!("{id} and {other} at {place:?}")))
            }
            ClientFrame::Edit { id, conversation_id, seq: at, body } => {
                let (id, place) = (id.to_string(), (conversation_id.get(), at.get()));
                if let Some(before) = self.edits.insert(id.clone(), (place, rev)) {
                    let same = before == (place, rev);
                    return same
                        .then_some(())
                        .ok_or_else(|| ("first_answer", format!("{id}: {before:?}, then {rev}")));
                }
                self.count("edits");
                self.take_rev((place.0, rev), &id)?;
                self.texts.entry(place).or_default().bodies.insert(rev, body.as_str().to_owned());
                Ok(())
            }
            ClientFrame::Delete { conversation_id, seq: at, .. } => {
                self.text(*conversation_id, *at).deleted = true;
                self.count("deletions");
                Ok(())
            }
            ClientFrame::React { conversation_id, seq: at, emoji, on, .. } => {
                self.text(*conversation_id, *at)
                    .reactions
                    .insert((user.to_owned(), emoji.to_string()), Some(*on));
                self.count("reactions");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// It was refused for good. `in_doubt`: it was asked on an earlier connection, too, which broke.
    pub(crate) fn refused(&mut self, user: &str, frame: &ClientFrame, in_doubt: bool) {
        match frame {
            // A known id is answered before anything else: what is refused was never done.
            ClientFrame::Send { id, .. } => {
                if let Some(sent) = self.sends.get_mut(&id.to_string()) {
                    sent.refused = true;
                }
            }
            ClientFrame::Delete { conversation_id, seq, .. } if in_doubt => {
                self.text(*conversation_id, *seq).maybe_deleted = true;
            }
            ClientFrame::React { conversation_id, seq, emoji, .. } if in_doubt => {
                self.text(*conversation_id, *seq)
                    .reactions
                    .insert((user.to_owned(), emoji.to_string()), None);
            }
            _ => {}
        }
    }

    pub(crate) fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }

    fn text(&mut self, conversation: ConversationId, seq: Seq) -> &mut Text {
        self.texts.entry((conversation.get(), seq.get())).or_default()
    }

    fn take_rev(&mut self, rev: Place, id: &str) -> Result<(), Wrong> {
        match self.revs.insert(rev, id.to_owned()) {
            None => Ok(()),
            Some(other) => Err(("revs", format!("rev {rev:?} was acknowledged to {other} and to {id}"))),
        }
    }

    /// Notes a read cursor that was told.
    pub(crate) fn read(&mut self, user: &str, conversation: i64, seq: i64) {
        let cursor = self.reads.entry((user.to_owned(), conversation)).or_default();
        *cursor = seq.max(*cursor);
    }

    /// Where messages were acknowledged to be.
    pub(crate) fn acked_places(&self) -> Vec<Place> {
        self.sends.values().filter_map(|sent| sent.acked).collect()
    }

    /// A group was deleted, with all that is in it.
    pub(crate) fn purged(&mut self, group: i64) {
        self.sends.retain(|_, sent| sent.acked.is_none_or(|(conversation, _)| conversation != group));
        self.texts.retain(|(conversation, _), _| *conversation != group);
    }

    /// The database was restored to an older state, in which these messages are. Returns what is to be sent
    /// again: everything acknowledged that is not there any more.
    pub(crate) fn restored(&mut self, there: BTreeMap<Place, Text>) -> Vec<(String, ClientFrame)> {
        self.edits.clear();
        self.reads.clear();
        self.inside.clear();
        self.revs.clear();
        let mut lost = Vec::new();
        let places: HashMap<&str, Place> = there.iter().map(|(place, text)| (&*text.id, *place)).collect();
        for (id, sent) in &mut self.sends {
            let before = sent.acked;
            sent.acked = places.get(&**id).copied();
            if before.is_some() && sent.acked.is_none() {
                lost.push((sent.user.clone(), sent.frame.clone()));
            }
        }
        self.texts = there;
        // In an order that does not depend on the hashing.
        lost.sort_by_key(|(_, frame)| id_of(frame));
        lost
    }
}
