//! The rows of one message: what stands above it (a day, a gap, the line above what is new), its name, its
//! text, and what hangs below it.

use crate::client::{Pending, Want};
use crate::state::rooms::name_of;
use crate::state::{Item, Place, State};
use crate::text::wrap::{self, Row};
use crate::text::{Look, Segment, Span, markdown, width};
use chat_shared::api::{Conversation, Message, MessageKind, Millis, Notice, NoticeKind};
use chat_shared::display::SafeText;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Messages of one author within this time stand under one name.
const GROUP_MS: Millis = 5 * 60_000;
/// Below this width names stand above their messages, not beside them.
const BESIDE_FROM: u16 = 50;
/// Columns of the time at the right, with the space before it.
const TIME_WIDTH: u16 = 7;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// The beginning of the history.
    Begin,
    /// Messages are missing here.
    Gap(Want),
    /// A day begins.
    Day,
    /// What is below is new.
    Divider,
    /// A name with its time, where there is no room beside the text.
    Head,
    /// What is answered.
    Quoted,
    /// Text.
    Body,
    /// Something that happened.
    Notice,
    /// A text that is gone.
    Deleted,
    /// Reactions and replies.
    Below,
    /// What becomes of an unsent message.
    Waiting,
    /// Why it was not sent.
    Failed,
}

/// A row of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRow {
    /// What it is.
    pub kind: RowKind,
    /// The name beside it, on the first row.
    pub name: Option<SafeText>,
    /// What it says.
    pub row: Row,
    /// The time, on the first row.
    pub time: Option<String>,
    /// Does it name me?
    pub mentions_me: bool,
}

/// How a timeline of some width is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// Of names, with the space after; 0: names stand above.
    pub name: u16,
    /// Of the text.
    pub text: u16,
    /// Of the time.
    pub time: u16,
}

/// What stands between names and text, and what no text can be drawn over.
pub const GUTTER: &str = " │ ";

impl Columns {
    /// For this width.
    pub fn of(total: u16) -> Self {
        if total < BESIDE_FROM {
            return Self { name: 0, text: total.saturating_sub(2).max(1), time: 0 };
        }
        let name = match total {
            90.. => 16,
            70.. => 13,
            _ => 10,
        };
        Self { name, text: total - name - 3 - TIME_WIDTH, time: TIME_WIDTH }
    }
}

/// The civil date of a time.
pub fn date(zone: &TimeZone, at: Millis) -> jiff::civil::Date {
    Timestamp::from_millisecond(at).unwrap_or_default().to_zoned_datetime(zone.clone()).date()
}

/// Hours and minutes.
pub fn clock(zone: &TimeZone, at: Millis) -> String {
    Timestamp::from_millisecond(at)
        .unwrap_or_default()
        .to_zoned_datetime(zone.clone())
        .strftime("%H:%M")
        .to_string()
}

/// Date, hours and minutes.
pub fn date_and_clock(zone: &TimeZone, at: Millis) -> String {
    Timestamp::from_millisecond(at)
        .unwrap_or_default()
        .to_zoned_datetime(zone.clone())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

/// What a notice tells.
pub fn notice(event: &Notice) -> String {
    let user = event.user.as_ref().map(|name| name.as_str()).unwrap_or("somebody");
    let by = event.by.as_ref().map(|name| name.as_str());
    let value = event.value.as_deref().unwrap_or_default();
    let who = by.unwrap_or("the operator");
    match event.kind {
        NoticeKind::Created => format!("{who} created the group"),
        NoticeKind::Joined => format!("{user} joined"),
        NoticeKind::Left => format!("{user} left"),
        NoticeKind::Added => format!("{who} added {user}"),
        NoticeKind::Removed => format!("{who} removed {user}"),
        NoticeKind::Role => format!("{who} made {user} {value}"),
        NoticeKind::Renamed => format!("{who} renamed the group to #{value}"),
        NoticeKind::Topic if value.is_empty() => format!("{who} cleared the topic"),
        NoticeKind::Topic => format!("{who} set the topic: {value}"),
        NoticeKind::Visibility => format!("{who} made the group {value}"),
    }
}

/// What is needed to lay messages out.
pub struct Scene<'a> {
    /// The state.
    pub state: &'a State,
    /// Where.
    pub conversation: &'a Conversation,
    /// What is kept of it.
    pub place: &'a Place,
    /// The width.
    pub columns: Columns,
}

impl<'a> Scene<'a> {
    /// The open conversation at this width.
    pub fn open(state: &'a State, total: u16) -> Option<Self> {
        Some(Self {
            state,
            conversation: state.conversation()?,
            place: state.place()?,
            columns: Columns::of(total),
        })
    }

    /// The rows of an item, from the top down; never none.
    pub fn rows(&self, item: Item) -> Vec<TimelineRow> {
        match item {
            Item::Message(seq) => match self.place.timeline.message(seq) {
                Some(message) => self.message(message),
                None => vec![self.plain(RowKind::Body, Vec::new())],
            },
            Item::Pending(index) => match self.place.timeline.pending.get(index) {
                Some(pending) => self.pending(item, pending),
                None => vec![self.plain(RowKind::Body, Vec::new())],
            },
        }
    }

    fn plain(&self, kind: RowKind, segments: Vec<Segment>) -> TimelineRow {
        let mut row = Row::default();
        segments.into_iter().for_each(|segment| row.push(segment));
        TimelineRow { kind, name: None, row, time: None, mentions_me: false }
    }

    fn line(&self, kind: RowKind, text: &str) -> TimelineRow {
        let text = width::truncate(&SafeText::line(text), usize::from(self.columns.text));
        self.plain(kind, vec![Segment::new(&text, Look::default())])
    }

    /// Rows that span the whole width and belong to no author.
    fn above(&self, message: &Message, before: Option<&Message>) -> Vec<TimelineRow> {
        let mut rows = Vec::new();
        let timeline = &self.place.timeline;
        if let Some(want) = timeline.gap_before(message.seq) {
            let text = if timeline.loading == Some(want) {
                "loading older messages…"
            } else {
                "older messages are not here yet"
            };
            rows.push(self.line(RowKind::Gap(want), text));
        } else if before.is_none() {
            rows.push(
                self.line(
                    RowKind::Begin,
                    &format!("This is the beginning of {}.", name_of(self.conversation)),
                ),
            );
        }
        let day = date(&self.state.zone, message.sent_at);
        if before.is_none_or(|before| date(&self.state.zone, before.sent_at) != day) {
            rows.push(self.line(RowKind::Day, &day.strftime("%A, %-d %B %Y").to_string()));
        }
        if self.begins_new(message) {
            rows.push(self.line(RowKind::Divider, "new messages"));
        }
        rows
    }

    /// The line stands where it was put by hand, else above the first words of somebody else.
    fn begins_new(&self, message: &Message) -> bool {
        let Some(divider) = self.place.divider.filter(|divider| message.seq > *divider) else { return false };
        let timeline = &self.place.timeline;
        let first = if self.place.hold_unread {
            timeline.shown_after(divider).next()
        } else {
            timeline.unread_after(divider, &self.state.me).next()
        };
        first.is_some_and(|first| first.seq == message.seq)
    }

    fn before(&self, message: &Message) -> Option<&'a Message> {
        match self.place.timeline.above(Item::Message(message.seq))? {
            Item::Message(seq) if self.place.timeline.gap_before(message.seq).is_none() => {
                self.place.timeline.message(seq)
            }
            _ => None,
        }
    }

    fn message(&self, message: &Message) -> Vec<TimelineRow> {
        let before = self.before(message);
        let mut rows = self.above(message, before);
        let continues = rows.is_empty()
            && before.is_some_and(|before| {
                before.kind == MessageKind::Text
                    && before.sender.id == message.sender.id
                    && message.reply_to.is_none()
                    && message.sent_at - before.sent_at < GROUP_MS
            });
        let minute = |at: Millis| at.div_euclid(60_000);
        let same_minute = before.is_some_and(|before| minute(before.sent_at) == minute(message.sent_at));
        let time = (!continues || !same_minute).then(|| clock(&self.state.zone, message.sent_at));

        if message.kind == MessageKind::Notice {
            let text = message.event.as_ref().map(notice).unwrap_or_default();
            let spans = [Span::plain(SafeText::line(&text))];
            for (at, row) in wrap::wrap_line(&spans, self.columns.text, 0).into_iter().enumerate() {
                let first = at == 0;
                rows.push(TimelineRow {
                    kind: RowKind::Notice,
                    name: (first && self.columns.name > 0).then(|| SafeText::line("*")),
                    row,
                    time: time.clone().filter(|_| first && self.columns.time > 0),
                    mentions_me: false,
                });
            }
            return rows;
        }
        let mine = message.sender.username.as_str() == self.state.me;
        let mentions_me = !mine && message.mentions.iter().any(|name| name.as_str() == self.state.me);
        let mut own = Vec::new();
        if let Some(seq) = message.reply_to {
            own.push(self.quoted(seq));
        }
        let waits = self.place.timeline.pending_edit(message.seq);
        if message.deleted_at.is_some() {
            own.push(self.line(RowKind::Deleted, "(deleted)"));
        } else {
            let body = waits.map_or(message.body.as_str(), |pending| pending.body.as_str());
            let mut body = self.body(body);
            if message.edited_at.is_some() && waits.is_none() {
                self.append(&mut body, " (edited)");
            }
            own.extend(body);
        }
        if let Some(pending) = waits {
            own.push(self.fate(pending, "the edit is on its way"));
        }
        own.extend(self.below(message));
        self.sign(&mut rows, own, message.sender.username.as_str(), !continues, time, mentions_me);
        rows
    }

    fn pending(&self, item: Item, pending: &Pending) -> Vec<TimelineRow> {
        let mut own = Vec::new();
        if let Some(seq) = pending.reply_to {
            own.push(self.quoted(seq));
        }
        own.extend(self.body(&pending.body));
        own.push(self.fate(pending, "on its way"));
        let first = self.place.timeline.above(item).is_none_or(|above| matches!(above, Item::Message(_)));
        let mut rows = Vec::new();
        let time = Some(clock(&self.state.zone, pending.entered_at)).filter(|_| first);
        self.sign(&mut rows, own, &self.state.me, first, time, false);
        rows
    }

    /// Puts name and time to the first row, or above it where it is narrow.
    fn sign(
        &self,
        rows: &mut Vec<TimelineRow>,
        mut own: Vec<TimelineRow>,
        name: &str,
        named: bool,
        time: Option<String>,
        mentions_me: bool,
    ) {
        own.iter_mut().for_each(|row| row.mentions_me = mentions_me);
        if self.columns.name == 0 {
            if named {
                let mut head = self.plain(RowKind::Head, Vec::new());
                head.name = Some(SafeText::line(name));
                head.time = time;
                head.mentions_me = mentions_me;
                rows.push(head);
            }
        } else if let Some(first) = own.first_mut() {
            first.name = named.then(|| SafeText::line(name));
            first.time = time;
        }
        rows.append(&mut own);
    }

    fn body(&self, text: &str) -> Vec<TimelineRow> {
        let rows = wrap::wrap(&markdown::parse(&SafeText::block(text)), self.columns.text);
        let body = |row| TimelineRow { kind: RowKind::Body, name: None, row, time: None, mentions_me: false };
        let rows: Vec<_> = rows.into_iter().map(body).collect();
        if rows.is_empty() { vec![self.plain(RowKind::Body, Vec::new())] } else { rows }
    }

    fn append(&self, rows: &mut Vec<TimelineRow>, mark: &'static str) {
        let look = Look { frame: true, ..Look::default() };
        let segment = Segment::fixed(mark, look.clone());
        match rows.last_mut() {
            Some(last) if last.row.width() + segment.width() <= self.columns.text => last.row.push(segment),
            _ => rows.push(self.plain(RowKind::Body, vec![Segment::fixed(mark.trim_start(), look)])),
        }
    }

    fn quoted(&self, seq: chat_shared::Seq) -> TimelineRow {
        let text = match self.place.timeline.known(seq) {
            None => "↪ an earlier message".to_owned(),
            Some(quoted) if quoted.deleted_at.is_some() => format!("↪ {}: (deleted)", quoted.sender.username),
            Some(quoted) => {
                let line = quoted.body.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
                format!("↪ {}: {line}", quoted.sender.username)
            }
        };
        self.line(RowKind::Quoted, &text)
    }

    fn fate(&self, pending: &Pending, waiting: &str) -> TimelineRow {
        match &pending.failed {
            Some(reason) => self.line(RowKind::Failed, &format!("✗ not sent: {reason}")),
            None => self.line(RowKind::Waiting, &format!("… {waiting}")),
        }
    }

    fn below(&self, message: &Message) -> Vec<TimelineRow> {
        let mut spans: Vec<Span> = Vec::new();
        let gap = || Span::plain(SafeText::line("  "));
        for reaction in &message.reactions {
            if !spans.is_empty() {
                spans.push(gap());
            }
            let mine = reaction.users.iter().any(|name| name.as_str() == self.state.me);
            let text = SafeText::line(&format!("{} {}", reaction.emoji, reaction.count));
            spans.push(Span::new(text, Look { bold: mine, ..Look::default() }));
        }
        if let Some(count) = message.reply_count.filter(|count| *count > 0) {
            if !spans.is_empty() {
                spans.push(gap());
            }
            let text = if count == 1 { "↳ 1 reply".to_owned() } else { format!("↳ {count} replies") };
            spans.push(Span::plain(SafeText::line(&text)));
        }
        if spans.is_empty() {
            return Vec::new();
        }
        let below =
            |row| TimelineRow { kind: RowKind::Below, name: None, row, time: None, mentions_me: false };
        wrap::wrap_line(&spans, self.columns.text, 0).into_iter().map(below).collect()
    }
}
