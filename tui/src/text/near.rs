//! What somebody may have meant.

/// The name that differs least from what was typed, if any is near.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (given.chars().count() / 3).clamp(1, 3);
    names
        .filter_map(|name| {
            let cost = if given.len() >= 2 && name.starts_with(given) { 1 } else { distance(given, name) };
            (cost <= allowed).then_some((cost, name))
        })
        .min_by_key(|(cost, _)| *cost)
        .map(|(_, name)| name)
}

/// Letters to insert, delete, change or swap (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_nothing_is_made_up() {
        let names = ["join", "leave", "sessions", "theme"];
        for (given, expected) in [
            ("jion", Some("join")),
            ("le", Some("leave")),
            ("sesion", Some("sessions")),
            ("them", Some("theme")),
            ("x", None),
            ("", None),
            ("something else", None),
        ] {
            assert_eq!(nearest(given, names.into_iter()), expected, "{given:?}");
        }
    }
}
