//! Groups and people.

use super::{Target, print, print_json, resolve};
use crate::error::ClientError;
use crate::net::http::Account;
use chat_shared::api::{Conversation, CreateGroupRequest, Group, GroupList, User, UserList};
use chat_shared::display::SafeText;
use serde_json::{Value, json};

async fn all_groups(account: &Account) -> Result<Vec<Group>, ClientError> {
    let mut all = Vec::new();
    let mut path = "/groups?limit=200".to_owned();
    loop {
        let page: GroupList = account.get(&path).await?;
        all.extend(page.groups);
        match page.next_cursor {
            Some(cursor) => path = format!("/groups?limit=200&cursor={cursor}"),
            None => return Ok(all),
        }
    }
}

/// Public groups, and the private ones that I am in.
pub async fn groups(account: &Account, as_json: bool) -> Result<(), ClientError> {
    let mut rows: Vec<(String, u32, bool, String)> = all_groups(account)
        .await?
        .into_iter()
        .map(|group| (group.name.to_string(), group.member_count, group.joined, group.topic))
        .collect();
    for mine in super::conversations(account).await? {
        if let Some(name) = mine.name.map(|name| name.to_string())
            && rows.iter().all(|(other, ..)| *other != name)
        {
            rows.push((name, mine.member_count, true, mine.topic.unwrap_or_default()));
        }
    }
    rows.sort();
    let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0) + 1;
    for (name, members, joined, topic) in rows {
        if as_json {
            print_json(&json!({ "name": name, "member_count": members, "joined": joined, "topic": topic }))?;
        } else {
            let mark = if joined { "*" } else { " " };
            let line =
                format!("{mark} {:width$}  {members:>5}  {}", format!("#{name}"), SafeText::line(&topic));
            print(&format!("{}\n", line.trim_end()))?;
        }
    }
    Ok(())
}

/// Everyone.
pub async fn users(account: &Account, as_json: bool) -> Result<(), ClientError> {
    let mut path = "/users?limit=200".to_owned();
    loop {
        let page: UserList = account.get(&path).await?;
        for user in &page.users {
            if as_json {
                print_json(user)?;
            } else {
                print(&user_line(user))?;
            }
        }
        match page.next_cursor {
            Some(cursor) => path = format!("/users?limit=200&cursor={cursor}"),
            None => return Ok(()),
        }
    }
}

fn user_line(user: &User) -> String {
    let mark = if user.online == Some(true) { "*" } else { " " };
    let line =
        format!("{mark} {:<20}  {}", format!("@{}", user.username), SafeText::line(&user.display_name));
    format!("{}\n", line.trim_end())
}

/// Joins a public group.
pub async fn join(account: &Account, name: &str) -> Result<(), ClientError> {
    let name = name.trim_start_matches('#').to_ascii_lowercase();
    let groups = all_groups(account).await?;
    let group = groups.iter().find(|group| group.name.as_str() == name);
    let group = group.ok_or_else(|| ClientError::Other(format!("there is no public group #{name}.")))?;
    let _: Conversation = account.post(&format!("/groups/{}/join", group.id), &json!({})).await?;
    print(&format!("You are in #{name}.\n"))
}

/// Leaves a group.
pub async fn leave(account: &Account, name: &str) -> Result<(), ClientError> {
    let name = name.trim_start_matches('#').to_ascii_lowercase();
    let id = resolve(account, &Target::Group(name.clone())).await?;
    let _: Value = account.post(&format!("/groups/{id}/leave"), &json!({})).await?;
    print(&format!("You left #{name}.\n"))
}

/// Makes a group.
pub async fn create(
    account: &Account,
    name: &str,
    topic: Option<String>,
    private: bool,
) -> Result<(), ClientError> {
    let request = CreateGroupRequest {
        name: name.trim_start_matches('#').to_owned(),
        topic,
        visibility: private.then(|| "private".to_owned()),
    };
    let made: Conversation = account.post("/groups", &request).await?;
    print(&format!("You own {}.\n", super::name_of(&made)))
}
