//! What the listings of every database have in common.

use super::StoreError;
use chat_shared::api::{Member, MemberList};

/// The id after which a list goes on.
pub(super) fn after(cursor: Option<&str>) -> Result<i64, StoreError> {
    cursor.map_or(Ok(0), |cursor| cursor.parse().map_err(|_| BAD_CURSOR))
}

/// A page of members: found by their ids, which any group has in order, and told by their names.
pub(super) fn members(rows: Vec<Member>, limit: usize) -> MemberList {
    let (mut members, next_cursor) = page(rows, limit, |member| member.user.id.to_string());
    members.sort_unstable_by(|one, other| one.user.username.cmp(&other.user.username));
    MemberList { members, next_cursor }
}

/// A cursor that this server did not give.
const BAD_CURSOR: StoreError = StoreError::Field {
    field: "cursor",
    code: "cursor",
    detail: "must be the next_cursor of the page before",
};

/// A pattern for `LIKE … ESCAPE '\'` that finds the text anywhere.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Cuts a list that was read with one row too many to its limit, and names the row to go on after.
pub(super) fn page<T>(
    mut rows: Vec<T>,
    limit: usize,
    cursor: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(cursor) } else { None };
    (rows, next)
}
