//! What was not sent, or not yet.

use crate::harness::{Script, script, seq};
use chat_tui::client::{Draft, OutboxChange, Request, Update};
use chat_tui::demo;
use chat_tui::effect::Effect;
use chat_tui::state::Item;

#[test]
fn text_that_was_not_stored_comes_back_into_the_line() {
    let mut script = script();
    script.answers = false;
    script.press("precious<enter>");
    assert_eq!(script.line(), "");
    let id = script.id("#general");
    script.tell(Update::Refused {
        id: None,
        conversation: id,
        draft: Some(Draft { text: "precious".into(), ..Draft::default() }),
        reason: "the disk is full".into(),
    });
    assert_eq!(script.line(), "precious");
    assert_eq!(script.note(), "the disk is full");
}

#[test]
fn what_comes_back_is_again_the_reply_or_the_edit_that_it_was() {
    let refused = |script: &mut Script, draft: Draft| {
        let conversation = script.id("#general");
        script.tell(Update::Refused { id: None, conversation, draft: Some(draft), reason: "no room".into() });
    };
    let reply = Draft { text: "an answer".into(), reply_to: Some(seq(3)), editing: None };
    let edit = Draft { text: "mended".into(), reply_to: None, editing: Some(seq(8)) };
    // Into an empty line.
    let mut into_empty = script();
    refused(&mut into_empty, edit.clone());
    assert_eq!(into_empty.state.place().unwrap().draft(), edit);
    // Above what is being written.
    let mut into_text = script();
    into_text.press("later");
    refused(&mut into_text, reply.clone());
    let both = Draft { text: "an answer\nlater".into(), ..reply.clone() };
    assert_eq!(into_text.state.place().unwrap().draft(), both);
    // An edit waits for no other text, and leaves it alone.
    let mut beside_text = script();
    beside_text.press("later");
    refused(&mut beside_text, edit.clone());
    assert_eq!(beside_text.state.place().unwrap().draft(), edit);
    beside_text.press("<esc>");
    assert_eq!(beside_text.line(), "later");
    // What is refused while another message is edited comes after it.
    let mut beside_edit = script();
    refused(&mut beside_edit, edit.clone());
    refused(&mut beside_edit, reply.clone());
    assert_eq!(beside_edit.state.place().unwrap().draft(), edit);
    beside_edit.press("<esc>");
    assert_eq!(beside_edit.state.place().unwrap().draft(), reply);
}

#[test]
fn a_draft_that_could_not_be_kept_is_kept_later() {
    let mut script = script();
    let kept = |script: &mut Script| {
        let effects = std::mem::take(&mut script.effects);
        let saved = |effect: &Effect| matches!(effect, Effect::Client(Request::SaveDraft(..)));
        effects.iter().filter(|effect| saved(effect)).count()
    };
    script.press("precious");
    script.wait(1_000);
    assert_eq!(kept(&mut script), 1);
    let conversation = script.id("#general");
    let draft = script.state.place().unwrap().draft();
    script.tell(Update::Unkept { conversation, draft, reason: "the disk is full".into() });
    script.wait(9_000);
    assert_eq!(kept(&mut script), 0);
    script.wait(1_000);
    assert_eq!(kept(&mut script), 1);
    assert_eq!(script.line(), "precious");
}

#[test]
fn a_selected_unsent_message_stays_selected_while_others_are_sent() {
    let mut script = script();
    script.answers = false;
    let id = script.id("#general");
    let waiting: Vec<_> = ["one", "two", "three"].map(demo::pending).into();
    for pending in &waiting {
        script.tell(Update::Outbox(id, OutboxChange::Added(pending.clone())));
    }
    script.press("<ctrl-s>k");
    assert_eq!(script.state.place().unwrap().selected, Some(Item::Pending(1)));
    script.tell(Update::Outbox(id, OutboxChange::Gone(waiting[0].id)));
    assert_eq!(script.state.place().unwrap().selected, Some(Item::Pending(0)));
    script.tell(Update::Outbox(id, OutboxChange::Marked(waiting[1].id, Some("no".into()))));
    script.press("R");
    assert!(script.effects.contains(&Effect::Client(Request::Retry(waiting[1].id))), "{:?}", script.effects);
    script.tell(Update::Outbox(id, OutboxChange::Gone(waiting[1].id)));
    assert_eq!(script.state.place().unwrap().selected, None);
}

#[test]
fn what_was_written_for_a_conversation_that_is_gone_is_told_and_there_when_it_is_back() {
    let mut script = script();
    script.answers = false;
    let id = script.id("#general");
    let general = script.state.rooms.get(id).unwrap().clone();
    let pending = demo::pending("too late");
    let send = pending.id;
    script.tell(Update::Outbox(id, OutboxChange::Added(pending)));
    script.press("half a sentence");
    script.tell(Update::Removed(id));
    script.tell(Update::Outbox(id, OutboxChange::Marked(send, Some("you are not in it any more".into()))));
    assert_eq!(script.open(), "#ops");
    assert!(script.note().contains("too late"), "{}", script.note());
    // It waits for nothing that quitting could stop.
    script.press("<ctrl-q>");
    assert!(script.shows("Quit?"), "{}", script.screen());
    script.press("n");
    script.tell(Update::Conversation(Box::new(general)));
    script.press("<alt-1>");
    assert!(script.shows("too late") && script.shows("half a sentence"), "{}", script.screen());
}
