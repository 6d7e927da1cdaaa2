//! Where things stand: the areas of the screen by its size, and the rows of messages. Both `update` (to
//! scroll, to know what was clicked) and `view` (to draw) ask here, so that they can never disagree.

pub mod message;
pub mod timeline;

use crate::editor::Editor;
use crate::state::State;
use chat_shared::api::ConversationKind;
use ratatui::layout::Rect;

/// From here on the list of conversations is shown by itself.
const ROOMS_FROM: u16 = 60;
/// From here on the members are shown by themselves.
const MEMBERS_FROM: u16 = 120;
/// Columns of the list of conversations.
const ROOMS_WIDTH: u16 = 24;
/// The same on a screen of middle width.
const ROOMS_NARROW: u16 = 20;
/// Columns of the list of members.
const MEMBERS_WIDTH: u16 = 20;
/// Messages are never squeezed below this.
const MESSAGES_MIN: u16 = 30;

/// The areas of the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    /// The conversations.
    pub rooms: Option<Rect>,
    /// Name and topic of the open one.
    pub header: Rect,
    /// Messages.
    pub messages: Rect,
    /// The line above the composer: what is answered or edited, the completion's hint.
    pub context: Rect,
    /// The composer's text.
    pub composer: Rect,
    /// The members.
    pub members: Option<Rect>,
    /// The status line.
    pub status: Rect,
}

/// What stands before the composer's text.
pub const PROMPT: &str = "> ";

/// Columns of the composer's text in an area of this width.
pub fn composer_width(area: u16) -> u16 {
    area.saturating_sub(2).max(1)
}

/// The areas for this state.
pub fn areas(state: &State) -> Areas {
    let (width, height) = state.size;
    let status = Rect::new(0, height.saturating_sub(1), width, height.min(1));
    let body = height.saturating_sub(status.height);
    let rooms_width = if width >= 100 { ROOMS_WIDTH } else { ROOMS_NARROW };
    let rooms_shown =
        state.panels.rooms.unwrap_or(width >= ROOMS_FROM) && width >= rooms_width + 1 + MESSAGES_MIN;
    let left = if rooms_shown { rooms_width + 1 } else { 0 };
    let is_group = state.conversation().is_some_and(|c| c.kind == ConversationKind::Group);
    let members_shown = is_group
        && state.panels.members.unwrap_or(width >= MEMBERS_FROM)
        && width > left + MESSAGES_MIN + MEMBERS_WIDTH;
    let right = if members_shown { MEMBERS_WIDTH + 1 } else { 0 };
    let middle = width.saturating_sub(left + right);

    let rows = state.place().map_or(1, |place| place.editor.rows(composer_width(middle)).len());
    let most = (body / 3).max(1);
    let composer = u16::try_from(rows).unwrap_or(most).clamp(1, most).min(body);
    let context = 1.min(body.saturating_sub(composer));
    let header = 1.min(body.saturating_sub(composer + context));
    let messages = body.saturating_sub(composer + context + header);
    Areas {
        rooms: rooms_shown.then(|| Rect::new(0, 0, rooms_width, body)),
        header: Rect::new(left, 0, middle, header),
        messages: Rect::new(left, header, middle, messages),
        context: Rect::new(left, header + messages, middle, context),
        composer: Rect::new(left, header + messages + context, middle, composer),
        members: members_shown.then(|| Rect::new(width - MEMBERS_WIDTH, 0, MEMBERS_WIDTH, body)),
        status,
    }
}

/// Which part of a long text is shown: the first visible row, so that the cursor's is among them.
pub fn editor_offset(editor: &Editor, width: u16, height: u16) -> usize {
    let (row, _) = editor.cursor_position(width);
    row.saturating_sub(usize::from(height.max(1)) - 1)
}
