//! What the line mode prints of messages, and of what became of those that were typed.

use super::{Plain, Waiting};
use crate::client::{OutboxChange, Pending, Request, Want};
use crate::error::ClientError;
use crate::oneshot::{as_text, print};
use chat_shared::api::Message;
use chat_shared::display::SafeText;
use chat_shared::{ConversationId, Seq};

impl Plain {
    /// Says where something was said of which nothing was told.
    pub(super) fn tell_missed(&mut self) -> Result<(), ClientError> {
        for (id, conversation) in &self.conversations {
            let told = self.told.entry(*id).or_insert((conversation.last_seq, 0));
            if conversation.last_seq > told.0 {
                told.0 = conversation.last_seq;
                if let unread @ 1.. = conversation.unread {
                    let name = self.name(*id);
                    print(&format!("({unread} unread in {name}: /to {name} and /history show it)\n"))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn message(&mut self, id: ConversationId, message: &Message) -> Result<(), ClientError> {
        let (seq, changed) = self.told.get(&id).copied().unwrap_or((Seq::MIN, 0));
        let change = message.edited_at.max(message.deleted_at).unwrap_or(0);
        self.told.insert(id, (seq.max(message.seq), changed.max(change)));
        let own = message.id.is_some_and(|id| self.mine.contains(&id)) && change == 0;
        if (message.seq > seq && !own) || (message.seq <= seq && change > changed) {
            self.show(id, message)?;
        }
        Ok(())
    }

    fn show(&self, id: ConversationId, message: &Message) -> Result<(), ClientError> {
        print(&as_text(message, &format!("{} {}", self.name(id), message.seq)))
    }

    pub(super) fn page(
        &mut self,
        id: ConversationId,
        from: Seq,
        to: Seq,
        page: Vec<Message>,
    ) -> Result<(), ClientError> {
        let last = self.conversations.get(&id).map_or(Seq::MIN, |conversation| conversation.last_seq);
        let Some(Waiting::History { id: asked, count, messages }) = &mut self.waiting else {
            // More was missed than is told one by one.
            let (seq, changed) = self.told.get(&id).copied().unwrap_or((last, 0));
            if to > seq && last > seq {
                self.told.insert(id, (last, changed));
                print(&format!("(more was said in {}: /history shows it)\n", self.name(id)))?;
            }
            return Ok(());
        };
        if *asked != id || (messages.is_empty() && to < last) {
            return Ok(());
        }
        messages.extend(page.into_iter().map(|message| (message.seq, message)));
        if messages.len() < *count && from > Seq::MIN {
            self.client.ask(Request::Load(id, Want::Before(from)));
            return Ok(());
        }
        self.show_history(id)
    }

    pub(super) fn show_history(&mut self, id: ConversationId) -> Result<(), ClientError> {
        match self.waiting.take() {
            Some(Waiting::History { id: asked, count, messages }) if asked == id => {
                let skipped = messages.len().saturating_sub(count);
                messages.values().skip(skipped).try_for_each(|message| self.show(id, message))
            }
            other => {
                self.waiting = other;
                Ok(())
            }
        }
    }

    pub(super) fn added(&mut self, pending: Pending) -> Result<(), ClientError> {
        self.asked.remove(&pending.id);
        self.mine.insert(pending.id);
        self.refused += usize::from(pending.failed.is_some());
        self.tell_pending(&pending)?;
        self.outbox.insert(pending.id, pending);
        Ok(())
    }

    /// Tells what has become of what was typed.
    pub(super) fn outbox(&mut self, change: OutboxChange) -> Result<(), ClientError> {
        match change {
            OutboxChange::Added(pending) => self.added(pending),
            OutboxChange::Marked(id, failed) => {
                let Some(mut pending) = self.outbox.remove(&id) else { return Ok(()) };
                self.refused -= usize::from(pending.failed.is_some());
                pending.failed = failed;
                self.added(pending)
            }
            OutboxChange::Gone(id) => {
                let Some(pending) = self.outbox.remove(&id) else { return Ok(()) };
                self.refused -= usize::from(pending.failed.is_some());
                print(&format!("(sent) {}: {}\n", self.name(pending.conversation), block(&pending.body)))
            }
        }
    }

    fn tell_pending(&self, pending: &Pending) -> Result<(), ClientError> {
        let (name, text) = (self.name(pending.conversation), block(&pending.body));
        match &pending.failed {
            None => print(&format!("(pending) {name}: {text}\n")),
            Some(reason) => print(&format!("(failed) {name}: {}: {text}\n", SafeText::line(reason))),
        }
    }
}

/// A text whose later lines cannot pass for lines of this program.
pub(super) fn block(text: &str) -> String {
    SafeText::block(text).as_ref().replace('\n', "\n    ")
}
