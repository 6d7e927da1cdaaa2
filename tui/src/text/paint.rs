//! Putting segments into the screen's cells.
//!
//! The one place that does it for remote text. A terminal that knows no grapheme clusters draws a joined
//! emoji as its parts, over cells that the screen's buffer believes unchanged; so those are marked to be
//! written again.

use super::{Look, Segment, width};
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Puts segments into the first line of an area, as far as they fit. Returns how many columns they took.
pub fn paint(segments: &[Segment], area: Rect, buffer: &mut Buffer, style: impl Fn(&Look) -> Style) -> u16 {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return 0;
    }
    let mut x = area.x;
    for segment in segments {
        let room = usize::from(area.right() - x);
        let (end, _) = buffer.set_stringn(x, area.y, segment.text(), room, style(segment.look()));
        x = end;
    }
    spill(segments, area, buffer);
    x - area.x
}

/// Marks the cells that the later parts of a cluster may lie in: those behind its first, which the next
/// frame must clear, and those beyond it, also outside of the area, where a border is in danger.
fn spill(segments: &[Segment], area: Rect, buffer: &mut Buffer) {
    let mut x = area.x;
    for cluster in segments.iter().flat_map(|segment| width::clusters(segment.text())) {
        let start = x;
        x = x.saturating_add(cluster.width);
        if x > area.right() {
            return;
        }
        if !cluster.is_joined() {
            continue;
        }
        for x in start + 1..x.saturating_add(cluster.spill()).min(buffer.area.right()) {
            if let Some(cell) = buffer.cell_mut((x, area.y)) {
                cell.diff_option = CellDiffOption::AlwaysUpdate;
            }
        }
    }
}
