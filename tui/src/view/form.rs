//! The form that lets somebody in.

use super::{Pen, broken, composer, inside};
use crate::state::form::Code;
use crate::state::{Form, FormField, State};
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

/// Columns of the form.
const WIDTH: u16 = 64;
/// Below so many columns inside there is no room to be generous.
const NARROW: u16 = 50;
/// Rows that wait for what is wrong: most of it is a sentence or two.
const COMPLAINT: usize = 2;
/// Columns of the labels.
const LABEL: u16 = 14;

fn label(form: &Form, field: FormField) -> &'static str {
    match field {
        FormField::Server => "Server",
        FormField::Username => "Name",
        FormField::Password => "Password",
        FormField::Again => "Once more",
        FormField::Code if form.asks == Some(Code::Invite) => "Invite code",
        FormField::Code => "Setup code",
        FormField::Submit | FormField::Switch => "",
    }
}

/// Draws it.
pub(super) fn draw(state: &State, form: &Form, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let fields = form.fields();
    let inputs = fields.iter().filter(|field| form.editor(**field).is_some()).count();
    let width = WIDTH.min(state.size.0);
    let complaint = match &form.error {
        Some((_, detail)) => broken(detail, width.saturating_sub(4)),
        None => Vec::new(),
    };
    let roomy = usize::from(state.size.1) >= inputs * 2 + 6 + complaint.len().max(COMPLAINT);
    let step = if roomy { 2 } else { 1 };
    // A longer complaint makes the form longer, and moves nothing.
    let height = |complaint: usize| {
        let rows = u16::try_from(inputs * usize::from(step) + 5 + complaint).unwrap_or(u16::MAX);
        rows.min(state.size.1)
    };
    let top = (state.size.1 - height(COMPLAINT)) / 3;
    let height = height(complaint.len().max(COMPLAINT)).min(state.size.1 - top);
    let area = Rect::new((state.size.0 - width) / 2, top, width, height);
    pen.frame(area, if form.register { "chat · make an account" } else { "chat · log in" });
    let inner = inside(area);
    let columns = inner.width.saturating_sub(2);
    let x = inner.x + 1;
    let mut y = inner.y + (step - 1);
    for field in &fields {
        let Some(editor) = form.editor(*field) else { continue };
        if y >= inner.bottom() {
            break;
        }
        let focused = form.focus == *field && state.overlays.is_empty();
        let wrong = form.error.as_ref().is_some_and(|(other, _)| other == field);
        let style = if wrong {
            theme.bad
        } else if focused {
            theme.title
        } else {
            theme.dim
        };
        pen.fixed(Position::new(x, y), LABEL.min(columns), label(form, *field), style);
        let line = Rect::new(x + LABEL, y, columns.saturating_sub(LABEL), 1);
        pen.style(line, theme.chosen.remove_modifier(Modifier::BOLD));
        if matches!(field, FormField::Password | FormField::Again) {
            let count = editor.text().chars().count();
            let before = editor.text().get(..editor.cursor()).map_or(count, |text| text.chars().count());
            pen.line(Position::new(line.x, y), line.width, &"•".repeat(count), theme.text);
            if focused {
                let at = line.x + u16::try_from(before).unwrap_or(line.width);
                pen.cursor(Position::new(at.min(line.right().saturating_sub(1)), y));
            }
        } else {
            composer::one_line(editor, line, theme.text, focused, pen);
        }
        y += step;
    }
    let indent = if columns < NARROW { 0 } else { LABEL };
    let button = |pen: &mut Pen<'_>, y: u16, field: FormField, text: &'static str| {
        let focused = form.focus == field;
        let style = if focused { theme.chosen } else { theme.text };
        let left = columns.saturating_sub(indent);
        let x = pen.fixed(Position::new(x + indent, y), left, if focused { "▸ " } else { "  " }, theme.key);
        pen.fixed(Position::new(x, y), left.saturating_sub(2), text, style);
    };
    let (submit, switch) = match (form.busy, form.register) {
        (true, _) => ("asking the server…", "Esc gives it up"),
        (false, true) => ("Register", "I have an account already"),
        (false, false) => ("Log in", "I have no account yet"),
    };
    button(pen, y, FormField::Submit, submit);
    button(pen, y + 1, FormField::Switch, switch);
    let room = usize::from(inner.bottom().saturating_sub(y + 2)).min(complaint.len());
    pen.rows(Position::new(x, y + 2), &complaint[..room], theme.bad);
    let mut hints = vec!["Tab moves", "Enter goes on", "Ctrl-q quits"];
    if form.back {
        hints.insert(2, "Esc back");
    }
    if columns < NARROW {
        hints.remove(1);
    }
    let at = Position::new(area.x + 2, area.bottom().saturating_sub(1));
    pen.line(at, width.saturating_sub(4), &hints.join(" · "), theme.dim);
}
