//! Reading what was missed, over HTTP, in tasks of their own. Nothing here is applied: the engine
//! does that when the answer is whole.

use super::follow::FAR;
use crate::error::ClientError;
use crate::net::http::Account;
use chat_shared::api::{Changes, Conversation, ConversationList, Message, MessagePage};
use chat_shared::limits::PAGE_MAX;
use chat_shared::{ConversationId, Rev, Seq};

/// Pages of changes that are read before it is called far.
const NEAR_PAGES: usize = FAR as usize / PAGE_MAX + 1;
/// Pages that are read of anything: no honest answer is longer.
const PAGES_MAX: usize = 200;

/// What was missed.
#[derive(Debug)]
pub(crate) enum Caught {
    /// Every change.
    Near(Changes),
    /// The newest page, and the changes of what is held: between them is a gap.
    Far {
        /// The newest page.
        page: MessagePage,
        /// Changes of what is held.
        changed: Vec<Message>,
        /// Up to which the changes reach.
        head: Rev,
    },
}

/// Everything since this rev. `far`: known to be a lot. `held_to`: the newest message that is held.
pub(crate) async fn catch_up(
    account: Account,
    conversation: ConversationId,
    since: Rev,
    far: bool,
    held_to: Seq,
) -> Result<Caught, ClientError> {
    if !far && let Some(changes) = changes(&account, conversation, since, None, NEAR_PAGES).await? {
        return Ok(Caught::Near(changes));
    }
    let page: MessagePage =
        account.get(&format!("/conversations/{conversation}/messages?limit={PAGE_MAX}")).await?;
    if held_to == Seq::MIN {
        let head = page.head_rev;
        return Ok(Caught::Far { page, changed: Vec::new(), head });
    }
    let changes = changes(&account, conversation, since, Some(held_to), PAGES_MAX).await?;
    let changes = changes.ok_or_else(|| ClientError::Other("the server's changes have no end.".into()))?;
    if changes.epoch != page.epoch {
        return Err(ClientError::Other("the server's database was restored meanwhile.".into()));
    }
    Ok(Caught::Far { page, changed: changes.messages, head: changes.head_rev })
}

/// All pages as one; `None`: there are more.
async fn changes(
    account: &Account,
    conversation: ConversationId,
    since: Rev,
    upto: Option<Seq>,
    pages: usize,
) -> Result<Option<Changes>, ClientError> {
    let upto = upto.map_or(String::new(), |seq| format!("&upto_seq={seq}"));
    let mut messages: Vec<Message> = Vec::new();
    let mut at = since;
    for _ in 0..pages {
        let path = format!("/conversations/{conversation}/changes?since={at}&limit={PAGE_MAX}{upto}");
        let mut page: Changes = account.get(&path).await?;
        check(conversation, at, &page.messages)?;
        let last = page.messages.last().map(|message| message.rev);
        messages.append(&mut page.messages);
        // Each page is of its own moment; what changed since the one before is in this one.
        match last.filter(|_| page.has_more) {
            Some(rev) => at = rev,
            None if page.has_more => {
                return Err(ClientError::Other("the server's changes lead nowhere.".into()));
            }
            None => return Ok(Some(Changes { messages, ..page })),
        }
    }
    Ok(None)
}

/// Are these of this conversation, above this rev and in order?
fn check(conversation: ConversationId, since: Rev, messages: &[Message]) -> Result<(), ClientError> {
    let mut before = since;
    for message in messages {
        if message.conversation_id != conversation || message.rev <= before {
            return Err(ClientError::Other("the server's changes are not in order.".into()));
        }
        before = message.rev;
    }
    Ok(())
}

/// Every conversation of mine.
pub(crate) async fn conversations(account: Account) -> Result<Vec<Conversation>, ClientError> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let page: ConversationList = account.get(&format!("/conversations?limit={PAGE_MAX}{cursor}")).await?;
        all.extend(page.conversations);
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={}", super::calls::encode(&next)),
            None => return Ok(all),
        }
    }
    Err(ClientError::Other("the server's list of conversations has no end.".into()))
}
