//! What is ended is ended, and what was lost on the way can be asked for again.

use crate::fresh::text;
use crate::raw::{self, Came, RawSocket};
use crate::world::World;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Refreshes, a stolen refresh token, a new password, a forged token, a logout.
pub(crate) async fn logins(world: &mut World) {
    let at = world.address();
    let name = format!("guest{}", world.chance.below(1 << 30));
    let password = "a password for guests";
    let body = json!({"username": name, "password": password});
    let (_, first) = raw::call(at, "", "POST", "/auth/register", Some(&body)).await.unwrap();
    let mut socket = RawSocket::connect(at, &text(&first, "access_token"), None).await.unwrap();
    let r0 = text(&first, "refresh_token");
    let (_, lost) = refresh(at, &r0).await;
    let (status, again) = refresh(at, &r0).await;
    if status != 200 || text(&again, "refresh_token") != text(&lost, "refresh_token") {
        world.shared.violate("logins", format!("a refresh that was repeated: {status} {again}"));
    }
    let (status, next) = refresh(at, &text(&again, "refresh_token")).await;
    if status != 200 {
        world.shared.violate("logins", format!("a refresh: {status} {next}"));
    }
    let (status, _) = refresh(at, &r0).await;
    if status != 401 {
        world.shared.violate("logins", format!("a replaced token, used again: {status}"));
    }
    ended(world, &mut socket, &text(&next, "access_token"), "a replaced token was used again").await;

    let (_, second) = raw::call(at, "", "POST", "/auth/login", Some(&body)).await.unwrap();
    let (_, third) = raw::call(at, "", "POST", "/auth/login", Some(&body)).await.unwrap();
    let [second, third] = [second, third].map(|session| text(&session, "access_token"));
    let mut socket = RawSocket::connect(at, &second, None).await.unwrap();
    let change = json!({"current_password": password, "new_password": "another password"});
    let _ = raw::call(at, &third, "PUT", "/me/password", Some(&change)).await;
    ended(world, &mut socket, &second, "the password was changed").await;
    let mut socket = RawSocket::connect(at, &third, None).await.unwrap();
    let mut forged = third.clone();
    // The signature's first letter, all of whose bits count.
    let at_signature = forged.rfind('.').map_or(0, |dot| dot + 1);
    let letter = if forged[at_signature..].starts_with('A') { "B" } else { "A" };
    forged.replace_range(at_signature..=at_signature, letter);
    is_refused(world, &forged, "a forged token").await;
    let _ = raw::call(at, &third, "POST", "/auth/logout", Some(&json!({}))).await;
    ended(world, &mut socket, &third, "its user logged out").await;
    let (status, _) = raw::call(at, "", "POST", "/auth/login", Some(&body)).await.unwrap();
    if status != 401 {
        world.shared.violate("logins", format!("the old password: {status}"));
    }
}

async fn refresh(at: SocketAddr, token: &str) -> (u16, Value) {
    let body = json!({"refresh_token": token});
    raw::call(at, "", "POST", "/auth/refresh", Some(&body)).await.unwrap_or_default()
}

/// The session has ended: its token is refused, and its connection closed.
async fn ended(world: &World, socket: &mut RawSocket, token: &str, why: &str) {
    let closed = async {
        loop {
            match socket.next().await {
                Came::Frame(_) => {}
                end => return end,
            }
        }
    };
    let end = tokio::time::timeout(world.plan.patience, closed).await;
    if !matches!(end, Ok(Came::Closed(4500))) {
        world.shared.violate("logins", format!("{why}, and its connection ended with {end:?}"));
    }
    is_refused(world, token, why).await;
}

async fn is_refused(world: &World, token: &str, why: &str) {
    let status =
        raw::call(world.address(), token, "GET", "/me", None).await.map(|answer| answer.0).unwrap_or(0);
    if status != 401 {
        world.shared.violate("logins", format!("{why}, and the token is answered with {status}"));
    }
}
