//! Finding what is meant by a few letters, for the switcher and completion.
//!
//! Small letters match both cases, a capital only itself; every word of the query must match.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use std::fmt;

/// Longer candidates are looked at only so far.
const CHARS_MAX: usize = 512;

/// The matcher with its scratch memory: one is enough for a program.
pub struct Fuzzy {
    matcher: Matcher,
    query: String,
    pattern: Pattern,
    chars: Vec<char>,
}

impl fmt::Debug for Fuzzy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fuzzy").field("query", &self.query).finish_non_exhaustive()
    }
}

impl Default for Fuzzy {
    fn default() -> Self {
        Self::new()
    }
}

impl Fuzzy {
    /// A matcher that prefers matches at the start.
    pub fn new() -> Self {
        let mut config = Config::DEFAULT;
        config.prefer_prefix = true;
        Self { matcher: Matcher::new(config), query: String::new(), pattern: compile(""), chars: Vec::new() }
    }

    /// How well the candidate matches (more is better), and which of its characters do, in order.
    /// An empty query matches everything alike.
    pub fn score(&mut self, query: &str, candidate: &str) -> Option<(u32, Vec<usize>)> {
        if query != self.query {
            query.clone_into(&mut self.query);
            self.pattern = compile(query);
        }
        // By characters, not by clusters, so that positions count what the caller counts.
        self.chars.clear();
        self.chars.extend(candidate.chars().take(CHARS_MAX));
        let haystack = Utf32Str::Unicode(&self.chars);
        let mut positions = Vec::new();
        let score = self.pattern.indices(haystack, &mut self.matcher, &mut positions)?;
        positions.sort_unstable();
        positions.dedup();
        Some((score, positions.into_iter().filter_map(|at| usize::try_from(at).ok()).collect()))
    }
}

fn compile(query: &str) -> Pattern {
    Pattern::new(query, CaseMatching::Smart, Normalization::Smart, AtomKind::Fuzzy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches() {
        let mut fuzzy = Fuzzy::new();
        for (query, candidate, positions) in [
            ("", "general", Some(vec![])),
            ("gen", "general", Some(vec![0, 1, 2])),
            ("gl", "general", Some(vec![0, 6])),
            ("GEN", "general", None),
            ("gen", "GENERAL", Some(vec![0, 1, 2])),
            ("xyz", "general", None),
            ("ops dev", "dev-ops", Some(vec![0, 1, 2, 4, 5, 6])),
            ("uber", "über", Some(vec![0, 1, 2, 3])),
            ("b", "e\u{301}b", Some(vec![2])),
            ("字", "漢字", Some(vec![1])),
        ] {
            assert_eq!(
                fuzzy.score(query, candidate).map(|(_, at)| at),
                positions,
                "{query:?} in {candidate:?}"
            );
        }
    }

    #[test]
    fn better_matches_score_more() {
        let mut fuzzy = Fuzzy::new();
        let mut score = |candidate| fuzzy.score("dev", candidate).map(|(score, _)| score);
        assert!(score("dev") >= score("dev-ops"));
        assert!(score("dev-ops") > score("old-devs"));
        assert!(score("old-devs") > score("old-d-e-v"));
    }
}
