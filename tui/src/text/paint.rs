//! Putting segments into the screen's cells.
//!
//! The one place that does it for remote text. A terminal that knows no grapheme clusters draws a joined
//! emoji as its parts, over cells that the screen's buffer believes unchanged; so those are marked to be
//! written again.

use super::{Look, Segment, width};
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

/// Puts segments into the first line of an area, as far as they fit. Returns the column after them.
pub fn paint(segments: &[Segment], area: Rect, buffer: &mut Buffer, style: impl Fn(&Look) -> Style) -> u16 {
    let mut at = area.as_position();
    for segment in segments {
        at.x = put(segment, at, area.right().saturating_sub(at.x), buffer, style(segment.look()));
    }
    at.x
}

/// Puts a segment into so many columns, as far as it fits. Returns the column after it.
pub fn put(segment: &Segment, at: Position, columns: u16, buffer: &mut Buffer, style: Style) -> u16 {
    if columns == 0 || !buffer.area.contains(at) {
        return at.x;
    }
    let (end, _) = buffer.set_stringn(at.x, at.y, segment.text(), usize::from(columns), style);
    spill(segment.text(), at, end, buffer);
    end
}

/// Marks the cells that the later parts of a cluster may lie in: those behind its first, which the next
/// frame must clear, and those beyond it, also outside of the given columns, where a border is in danger.
fn spill(text: &str, at: Position, end: u16, buffer: &mut Buffer) {
    let mut x = at.x;
    for cluster in width::clusters(text) {
        let start = x;
        x = x.saturating_add(cluster.width);
        if x > end {
            return;
        }
        if !cluster.is_joined() {
            continue;
        }
        for x in start + 1..x.saturating_add(cluster.spill()).min(buffer.area.right()) {
            if let Some(cell) = buffer.cell_mut((x, at.y)) {
                cell.diff_option = CellDiffOption::AlwaysUpdate;
            }
        }
    }
}
