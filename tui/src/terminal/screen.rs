//! What is on the screen, and the least that has to be written to change it.

use crate::text::careful::Careful;
use crate::view::{Drawn, LinkAt};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::backend::Backend as _;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};
use std::io::{self, Write};

/// A screen on which frames are drawn.
#[derive(Debug)]
pub struct Screen<W: Write> {
    backend: Careful<W>,
    shown: Buffer,
    links: Vec<LinkAt>,
    cursor: Option<Position>,
    hyperlinks: bool,
    known: bool,
}

impl<W: Write> Screen<W> {
    /// Nothing is drawn yet.
    pub fn new(out: W, hyperlinks: bool) -> Self {
        Self {
            backend: Careful::new(out),
            shown: Buffer::default(),
            links: Vec::new(),
            cursor: None,
            hyperlinks,
            known: false,
        }
    }

    /// What is on the screen is not known any more: the next frame is drawn whole.
    pub fn forget(&mut self) {
        self.known = false;
    }

    /// Draws a frame: only what differs is written, and all of it at once.
    pub fn draw(&mut self, size: (u16, u16), frame: impl FnOnce(&mut Buffer) -> Drawn) -> io::Result<()> {
        let area = Rect::new(0, 0, size.0, size.1);
        let mut next = Buffer::empty(area);
        let drawn = frame(&mut next);
        queue!(self.backend, BeginSynchronizedUpdate)?;
        if !self.known || self.shown.area != area {
            queue!(self.backend, Clear(ClearType::All))?;
            self.shown = Buffer::empty(area);
            self.links.clear();
            self.known = true;
        }
        // A link that moved or changed under the same letters is written again.
        for link in self.links.iter().filter(|link| !drawn.links.contains(link)) {
            spoil(&mut self.shown, link);
        }
        for link in drawn.links.iter().filter(|link| !self.links.contains(link)) {
            spoil(&mut self.shown, link);
        }
        let updates = self.shown.diff(&next);
        let mut rest = updates.as_slice();
        while let Some((x, y, _)) = rest.first() {
            let link = self.link_at(&drawn.links, *x, *y);
            let same = rest.iter().take_while(|(x, y, _)| self.link_at(&drawn.links, *x, *y) == link).count();
            let (run, others) = rest.split_at(same);
            self.run(run, link.map(|link| link.url.encoded()))?;
            rest = others;
        }
        match drawn.cursor {
            Some(at) => {
                self.backend.set_cursor_position(at)?;
                if self.cursor.is_none() {
                    self.backend.show_cursor()?;
                }
            }
            None => self.backend.hide_cursor()?,
        }
        queue!(self.backend, EndSynchronizedUpdate)?;
        Write::flush(&mut self.backend)?;
        self.cursor = drawn.cursor;
        self.links = drawn.links;
        self.shown = next;
        Ok(())
    }

    fn link_at<'a>(&self, links: &'a [LinkAt], x: u16, y: u16) -> Option<&'a LinkAt> {
        let holds = |link: &&LinkAt| link.at.y == y && (link.at.x..link.at.x + link.width).contains(&x);
        links.iter().filter(|_| self.hyperlinks).find(holds)
    }

    /// Writes cells that belong to one link, or to none.
    fn run(&mut self, cells: &[(u16, u16, &Cell)], url: Option<String>) -> io::Result<()> {
        if let Some(url) = &url {
            write!(self.backend, "\x1b]8;;{url}\x1b\\")?;
        }
        self.backend.draw(cells.iter().map(|(x, y, cell)| (*x, *y, *cell)))?;
        if url.is_some() {
            write!(self.backend, "\x1b]8;;\x1b\\")?;
        }
        Ok(())
    }
}

/// Makes the cells of a link differ from whatever comes.
fn spoil(shown: &mut Buffer, link: &LinkAt) {
    for x in link.at.x..link.at.x + link.width {
        if let Some(cell) = shown.cell_mut(Position::new(x, link.at.y)) {
            cell.reset();
            cell.set_char('\u{FFFD}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::links::Url;

    fn text(buffer: &mut Buffer, text: &str) -> Drawn {
        buffer.set_string(0, 0, text, ratatui::style::Style::new());
        Drawn::default()
    }

    #[test]
    fn only_what_differs_is_written() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, true);
        screen.draw((20, 2), |buffer| text(buffer, "hello world")).unwrap();
        screen.draw((20, 2), |buffer| text(buffer, "hello there")).unwrap();
        drop(screen);
        let written = String::from_utf8(out).unwrap();
        assert_eq!(written.matches("hello").count(), 1, "{written:?}");
        assert!(written.contains("there"));
    }

    #[test]
    fn links_are_written_around_their_cells_and_again_when_they_lead_elsewhere() {
        let drawn = |url: &str| Drawn {
            cursor: None,
            links: vec![LinkAt { at: Position::new(2, 0), width: 4, url: Url::new(url).unwrap() }],
        };
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, true);
        for url in ["https://a.example", "https://a.example", "https://b.example"] {
            screen
                .draw((20, 1), |buffer| {
                    text(buffer, "a link b");
                    drawn(url)
                })
                .unwrap();
        }
        drop(screen);
        let written = String::from_utf8(out).unwrap();
        assert_eq!(written.matches("\x1b]8;;https://a.example").count(), 1, "{written:?}");
        assert_eq!(written.matches("\x1b]8;;https://b.example").count(), 1, "{written:?}");
        assert_eq!(written.matches("\x1b]8;;\x1b\\").count(), 2);
    }
}
