//! What a device asks for: each thing until it is answered, over as many connections as that takes.

use super::{Device, Left, Socket};
use crate::load;
use crate::model::id_of;
use crate::shared::Phase;
use chat_shared::frame::ClientFrame;
use chat_shared::{ConversationId, ErrorCode};
use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message as Packet;

/// Unanswered at once: enough that several share a transaction, few enough that changes meet each other.
const OPEN: usize = 8;

/// What was asked for and is not answered.
pub(super) struct Open {
    frame: ClientFrame,
    /// Connections on which it was asked.
    tries: u32,
    /// The connection of the first of them.
    first: u32,
    /// How many were asked before it.
    turn: u64,
    /// It was put off, and is to be asked again.
    again: bool,
}

impl Device {
    pub(super) fn acked(&mut self, id: &str, conversation: ConversationId, seq: i64, rev: i64) {
        let found = self.open.iter().position(|open| id_of(&open.frame).as_deref() == Some(id));
        let frame = match (found, self.repeated.remove(id)) {
            (Some(at), _) => {
                let open = self.open.remove(at);
                if open.first == self.connection {
                    self.check_order(&open, conversation.get(), seq);
                }
                open.frame
            }
            (None, Some(frame)) => frame,
            (None, None) => {
                self.shared.violate("answers", format!("{}: an ack of {id}, which is not open", self.name));
                return;
            }
        };
        let open = self.open.len();
        self.state(|record, index| {
            if let Err((check, what)) = record.model.acked(&self.login.name, &frame, seq, rev) {
                record.history.violate(check, what);
            }
            record.acked += 1;
            record.devices[index].open = open;
        });
        if matches!(frame, ClientFrame::Send { .. } | ClientFrame::Edit { .. }) {
            self.done.push(frame);
        }
    }

    /// What one connection sends is stored in the order in which it was sent.
    fn check_order(&mut self, open: &Open, conversation: i64, seq: i64) {
        if !matches!(open.frame, ClientFrame::Send { .. }) {
            return;
        }
        let placed = self.placed.entry(conversation).or_default();
        let earlier = placed.range(..open.turn).next_back().is_some_and(|(_, before)| *before >= seq);
        let later = placed.range(open.turn..).next().is_some_and(|(_, after)| *after <= seq);
        placed.insert(open.turn, seq);
        if earlier || later {
            self.shared.violate("in_order", format!("{}: {seq} of {conversation}: {placed:?}", self.name));
        }
    }

    pub(super) fn refused(&mut self, id: Option<&str>, code: ErrorCode, detail: &str) {
        let found = self.open.iter().position(|open| id_of(&open.frame).as_deref() == id);
        let Some(at) = found.filter(|_| id.is_some()) else {
            let known = id.is_none_or(|id| self.repeated.remove(id).is_some());
            if !known || code == ErrorCode::Internal {
                self.shared.violate("answers", format!("{}: {code:?} to {id:?}: {detail}", self.name));
            }
            return;
        };
        if matches!(code, ErrorCode::Unavailable | ErrorCode::StorageFull | ErrorCode::RateLimited) {
            self.open[at].again = true;
            self.shared.change(|record| record.put_off += 1);
            return;
        }
        if code == ErrorCode::Internal || code == ErrorCode::InvalidRequest {
            self.shared.violate("answers", format!("{}: {code:?}: {detail}", self.name));
        }
        let open = self.open.remove(at);
        let left = self.open.len();
        self.state(|record, index| {
            record.model.refused(&self.login.name, &open.frame, open.tries > 1);
            record.devices[index].open = left;
        });
    }

    async fn ask(&self, socket: &mut Socket, frame: &ClientFrame) -> Result<(), Left> {
        let text = frame.to_json();
        let value = serde_json::from_str(&text).unwrap_or_default();
        self.shared.note(&format!("{}#{}", self.name, self.connection), "asked", value);
        socket.send(Packet::text(text)).await.map_err(|_| Left)
    }

    /// After a break: everything that is open once more, and some of what was answered.
    pub(super) async fn ask_again(&mut self, socket: &mut Socket) -> Result<(), Left> {
        let lost = self.writes.then(|| self.shared.record().lost.remove(&self.login.name)).flatten();
        self.open.extend(lost.into_iter().flatten().map(|frame| Open {
            frame,
            tries: 0,
            first: 0,
            turn: 0,
            again: false,
        }));
        self.repeated.clear();
        for _ in 0..self.done.len().min(3) {
            let Some(frame) = self.chance.pick(&self.done).cloned() else { break };
            let is_first = id_of(&frame).is_some_and(|id| self.repeated.insert(id, frame.clone()).is_none());
            if is_first {
                self.ask(socket, &frame).await?;
            }
        }
        for at in 0..self.open.len() {
            self.open[at].tries += 1;
            self.open[at].again = false;
            self.ask(socket, &self.open[at].frame.clone()).await?;
        }
        let open = self.open.len();
        self.state(|record, index| record.devices[index].open = open);
        Ok(())
    }

    /// Once more what the server had put off.
    pub(super) async fn ask_put_off(&mut self, socket: &mut Socket) -> Result<(), Left> {
        for at in 0..self.open.len() {
            if std::mem::take(&mut self.open[at].again) {
                // Its place among the others is no longer that of its first asking.
                self.open[at].first = 0;
                self.ask(socket, &self.open[at].frame.clone()).await?;
            }
        }
        Ok(())
    }

    /// As long as there is to be load: something new.
    pub(super) async fn ask_more(&mut self, socket: &mut Socket) -> Result<(), Left> {
        while self.writes && self.shared.phase() == Phase::Load && self.open.len() < OPEN {
            let frame = {
                let record = self.shared.record();
                if record.acked >= record.allowed {
                    return Ok(());
                }
                load::next(&mut self.chance, &self.login.name, &record.devices[self.index].replica)
            };
            let Some(frame) = frame else { return Ok(()) };
            if id_of(&frame).is_some() {
                self.turns += 1;
                let (frame, first, turn) = (frame.clone(), self.connection, self.turns);
                self.open.push(Open { frame, tries: 1, first, turn, again: false });
            }
            let open = self.open.len();
            self.state(|record, index| {
                record.model.asked(&self.login.name, &frame);
                record.devices[index].open = open;
            });
            self.ask(socket, &frame).await?;
        }
        Ok(())
    }
}
