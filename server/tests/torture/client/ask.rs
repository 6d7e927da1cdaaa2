//! What a device asks for: each thing until it is answered, over as many connections as that takes.

use super::Device;
use crate::model::id_of;
use crate::shared::Phase;
use chat_shared::ErrorCode;
use chat_shared::frame::ClientFrame;

/// How many of the answered ones are asked again after a break: the newest, which are the most at risk, and some by
/// lot.
const NEWEST: usize = 3;
const BY_LOT: usize = 8;

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
    pub(super) fn acked(&mut self, id: &str, conversation: i64, seq: i64, rev: i64) {
        let found = self.open.iter().position(|open| id_of(&open.frame).as_deref() == Some(id));
        let frame = match (found, self.repeated.remove(id)) {
            (Some(at), _) => {
                let open = self.open.remove(at);
                if open.first == self.connection {
                    self.check_order(&open, conversation, seq);
                }
                open.frame
            }
            (None, Some(frame)) => frame,
            (None, None) => {
                self.violate("answers", &format!("an ack of {id}, which is not open"));
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
            let what = format!("{seq} of {conversation}: {placed:?}");
            self.violate("in_order", &what);
        }
    }

    pub(super) fn refused(&mut self, id: Option<&str>, code: ErrorCode, detail: &str) {
        let found = self.open.iter().position(|open| id_of(&open.frame).as_deref() == id);
        let Some(at) = found.filter(|_| id.is_some()) else {
            let known = id.is_none_or(|id| self.repeated.remove(id).is_some());
            if !known || code == ErrorCode::Internal {
                self.violate("answers", &format!("{code:?} to {id:?}: {detail}"));
            }
            return;
        };
        if matches!(code, ErrorCode::Unavailable | ErrorCode::StorageFull | ErrorCode::RateLimited) {
            self.open[at].again = true;
            self.shared.change(|record| record.put_off += 1);
            return;
        }
        if code == ErrorCode::Internal || code == ErrorCode::InvalidRequest {
            self.violate("answers", &format!("{code:?}: {detail}"));
        }
        let open = self.open.remove(at);
        let left = self.open.len();
        self.state(|record, index| {
            record.model.refused(&self.login.name, &open.frame, open.tries > 1);
            record.devices[index].open = left;
        });
    }

    /// After a break: everything that is open once more, and some of what was answered.
    pub(super) fn again(&mut self) -> Vec<ClientFrame> {
        let writes = self.habits.open > 0;
        let lost = writes.then(|| self.shared.record().lost.remove(&self.login.name)).flatten();
        self.open.extend(lost.into_iter().flatten().map(|frame| Open {
            frame,
            tries: 0,
            first: 0,
            turn: 0,
            again: false,
        }));
        self.repeated.clear();
        let mut frames = Vec::new();
        let newest = self.done.iter().rev().take(NEWEST);
        let by_lot = (0..BY_LOT).filter_map(|_| self.chance.pick(&self.done));
        for frame in newest.chain(by_lot) {
            let id = id_of(frame).unwrap_or_default();
            if self.repeated.insert(id, frame.clone()).is_none() {
                frames.push(frame.clone());
            }
        }
        for open in &mut self.open {
            open.tries += 1;
            open.again = false;
            frames.push(open.frame.clone());
        }
        let open = self.open.len();
        self.state(|record, index| {
            record.devices[index].open = open;
            record.devices[index].connected = true;
        });
        frames
    }

    /// Once more what the server had put off.
    pub(super) fn put_off(&mut self) -> Vec<ClientFrame> {
        let mut frames = Vec::new();
        for open in self.open.iter_mut().filter(|open| open.again) {
            open.again = false;
            // Its place among the others is no longer that of its first asking.
            open.first = 0;
            frames.push(open.frame.clone());
        }
        frames
    }

    /// As long as there is to be load: something new.
    pub(super) fn more(&mut self) -> Vec<ClientFrame> {
        let mut frames = Vec::new();
        while self.shared.phase() == Phase::Load && self.open.len() < self.habits.open {
            let frame = {
                let record = self.shared.record();
                if record.acked >= record.allowed {
                    break;
                }
                (self.habits.next)(&mut self.chance, &self.login.name, &record.devices[self.index].replica)
            };
            let Some(frame) = frame else { break };
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
            frames.push(frame);
        }
        frames
    }
}
