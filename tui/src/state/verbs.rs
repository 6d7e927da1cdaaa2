//! Which verbs make sense for a message: the list of them and the hints offer no others. What may be done is
//! still the server's to decide.

use super::{Item, State};
use crate::action::Action;
use crate::text::links;
use chat_shared::api::{MessageKind, Role};
use chat_shared::display::SafeText;

impl State {
    /// Does the verb make sense for this item of the open conversation?
    pub fn offers(&self, item: Item, verb: Action) -> bool {
        let Some(place) = self.place() else { return false };
        let failed = |pending: Option<&crate::client::Pending>| {
            pending.is_some_and(|pending| pending.failed.is_some())
        };
        match item {
            Item::Pending(index) => match verb {
                Action::RetrySend => failed(place.timeline.pending.get(index)),
                Action::CopyText | Action::DeleteMessage | Action::Verbs | Action::Cancel => true,
                _ => false,
            },
            Item::Message(seq) => {
                let Some(message) = place.timeline.message(seq) else { return false };
                let open = message.kind == MessageKind::Text && message.deleted_at.is_none();
                let mine = message.sender.username.as_str() == self.me;
                let keeps_order = self.conversation().is_some_and(|here| here.role != Role::Member);
                match verb {
                    Action::EditMessage => open && mine,
                    Action::DeleteMessage => open && (mine || keeps_order),
                    Action::OpenLink => open && !links::links(&SafeText::block(&message.body)).is_empty(),
                    Action::GoToQuoted => message.reply_to.is_some(),
                    Action::RetrySend => failed(place.timeline.pending_edit(seq)),
                    Action::ViewMessage
                    | Action::CopyLine
                    | Action::UnreadFromHere
                    | Action::Verbs
                    | Action::Cancel => true,
                    _ => open,
                }
            }
        }
    }
}
