//! Which rows of the timeline are visible, and how the view moves over them. Only what is visible, and what
//! has to be passed to get there, is laid out.

use super::message::{Scene, TimelineRow};
use crate::state::{Item, Scroll};

/// A visible row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visible {
    /// Whose.
    pub item: Item,
    /// Its place among the rows of the item.
    pub index: usize,
    /// The row.
    pub row: TimelineRow,
}

impl Scene<'_> {
    /// The visible rows for a view of this height, from the top down; fewer where there are no more.
    pub fn visible(&self, height: u16) -> Vec<Visible> {
        let height = usize::from(height);
        let Some((item, row)) = self.anchor() else { return Vec::new() };
        let mut rows = Vec::new();
        let mut at = Some((item, Some(row)));
        while let Some((item, last)) = at {
            let all = self.rows(item);
            let end = last.map_or(all.len(), |last| (last + 1).min(all.len()));
            for (index, row) in all.into_iter().enumerate().take(end).rev() {
                rows.push(Visible { item, index, row });
                if rows.len() >= height {
                    rows.truncate(height);
                    rows.reverse();
                    return rows;
                }
            }
            at = self.place.timeline.above(item).map(|item| (item, None));
        }
        rows.reverse();
        rows
    }

    /// The lowest visible row.
    fn anchor(&self) -> Option<(Item, usize)> {
        let bottom = || {
            let item = self.place.timeline.last()?;
            Some((item, self.rows(item).len() - 1))
        };
        match self.place.scroll {
            Scroll::Bottom => bottom(),
            Scroll::At(item, row) => {
                let exists = match item {
                    Item::Message(seq) => self.place.timeline.message(seq).is_some(),
                    Item::Pending(index) => self.place.timeline.is_waiting(index),
                };
                if exists { Some((item, row.min(self.rows(item).len() - 1))) } else { bottom() }
            }
        }
    }

    /// The place that is so many rows above (or, negative, below) the present one.
    pub fn scrolled(&self, up: i32, height: u16) -> Scroll {
        let Some((item, row)) = self.anchor() else { return Scroll::Bottom };
        let (item, row) = if up >= 0 {
            self.up(item, row, up.unsigned_abs() as usize)
        } else {
            match self.down(item, row, up.unsigned_abs() as usize) {
                Some(place) => place,
                None => return Scroll::Bottom,
            }
        };
        self.filled(item, row, height)
    }

    /// The view with this row of this item at its top.
    pub fn from_top(&self, item: Item, row: usize, height: u16) -> Scroll {
        match self.down(item, row, usize::from(height.max(1)) - 1) {
            Some((item, row)) => self.filled(item, row, height),
            None => Scroll::Bottom,
        }
    }

    /// The view that shows the item, moved as little as can be.
    pub fn showing(&self, item: Item, height: u16) -> Scroll {
        let visible = self.visible(height);
        let rows = self.rows(item).len();
        let seen = visible.iter().filter(|row| row.item == item).count();
        if seen >= rows.min(usize::from(height)) {
            return self.place.scroll;
        }
        let above =
            visible.first().is_some_and(|first| item < first.item || (item == first.item && first.index > 0));
        if above || rows >= usize::from(height) {
            self.from_top(item, 0, height)
        } else {
            self.filled(item, rows - 1, height)
        }
    }

    fn up(&self, mut item: Item, mut row: usize, mut rows: usize) -> (Item, usize) {
        loop {
            if rows <= row {
                return (item, row - rows);
            }
            match self.place.timeline.above(item) {
                None => return (item, 0),
                Some(above) => {
                    rows -= row + 1;
                    item = above;
                    row = self.rows(above).len() - 1;
                }
            }
        }
    }

    /// `None`: beyond the end.
    fn down(&self, mut item: Item, mut row: usize, mut rows: usize) -> Option<(Item, usize)> {
        loop {
            let count = self.rows(item).len();
            if row + rows < count {
                return Some((item, row + rows));
            }
            rows -= count - row;
            item = self.place.timeline.below(item)?;
            row = 0;
        }
    }

    /// With this row lowest: but the view stays full while there are rows to fill it, and what ends at the
    /// newest row follows it.
    fn filled(&self, item: Item, row: usize, height: u16) -> Scroll {
        let mut above = row + 1;
        let mut at = item;
        while above < usize::from(height) {
            match self.place.timeline.above(at) {
                Some(next) => {
                    at = next;
                    above += self.rows(next).len();
                }
                None => break,
            }
        }
        let missing = usize::from(height).saturating_sub(above);
        let place = if missing > 0 { self.down(item, row, missing) } else { Some((item, row)) };
        match place {
            None => Scroll::Bottom,
            Some((item, row)) if self.down(item, row, 1).is_none() => Scroll::Bottom,
            Some((item, row)) => Scroll::At(item, row),
        }
    }
}
