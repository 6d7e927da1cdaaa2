//! What was killed, for yanking it back.

use std::collections::VecDeque;

const KILLS_MAX: usize = 32;

/// On which side of the cursor something was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Back,
    Forward,
}

/// The last kills, the newest at the back.
#[derive(Debug, Clone, Default)]
pub(super) struct KillRing(VecDeque<String>);

impl KillRing {
    /// Remembers a kill; one that goes on with the last makes one text with it.
    pub(super) fn kill(&mut self, text: &str, direction: Direction, goes_on: bool) {
        match (self.0.back_mut().filter(|_| goes_on), direction) {
            (Some(last), Direction::Forward) => last.push_str(text),
            (Some(last), Direction::Back) => last.insert_str(0, text),
            (None, _) => {
                self.0.push_back(text.to_owned());
                if self.0.len() > KILLS_MAX {
                    self.0.pop_front();
                }
            }
        }
    }

    /// What is yanked now.
    pub(super) fn last(&self) -> Option<&str> {
        self.0.back().map(String::as_str)
    }

    /// Makes the one before the last the last.
    pub(super) fn rotate(&mut self) {
        if let Some(last) = self.0.pop_back() {
            self.0.push_front(last);
        }
    }
}
