//! `/metrics`: Prometheus text, on an address of its own. Numbers only, nothing that users wrote.

use crate::chat::Chat;
use crate::http::reply::text;
use crate::listener::Counters;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use warp::Filter as _;

/// The one path of the metrics listener.
pub fn routes(chat: Arc<Chat>, sockets: Arc<Counters>) -> crate::http::Route {
    warp::path!("metrics")
        .then(move || {
            let (chat, sockets) = (chat.clone(), sockets.clone());
            async move { text("text/plain; version=0.0.4", report(&chat, &sockets).await) }
        })
        .or(warp::any().map(|| crate::http::reply::problem(&crate::AppError::not_found())))
        .unify()
        .boxed()
}

async fn report(chat: &Chat, sockets: &Counters) -> String {
    let hub = chat.hub();
    let mut out = String::new();
    let mut put = |name: &str, kind: &str, help: &str, value: u64| {
        // Writing into memory cannot fail.
        let _ = writeln!(out, "# HELP chat_{name} {help}\n# TYPE chat_{name} {kind}\nchat_{name} {value}");
    };
    put("connections", "gauge", "WebSocket connections.", hub.connections() as u64);
    put("users_online", "gauge", "Users with a connection.", hub.users_online() as u64);
    put("changes_total", "counter", "Changes published.", hub.counters.changes.load(Ordering::Relaxed));
    put(
        "deliveries_total",
        "counter",
        "Frames handed to connections.",
        hub.counters.deliveries.load(Ordering::Relaxed),
    );
    put(
        "holes_total",
        "counter",
        "Holes in the revs that were filled by reading.",
        hub.counters.holes.load(Ordering::Relaxed),
    );
    put(
        "refused_sockets_total",
        "counter",
        "Sockets refused because there were too many.",
        sockets.refused.load(Ordering::Relaxed),
    );
    put("password_hashes_total", "counter", "Password hashes made.", chat.password_hashes());
    if let Ok(counts) = chat.store().counts().await {
        put("users", "gauge", "Accounts.", counts.users);
        put("sessions", "gauge", "Log-ins.", counts.sessions);
        put("conversations", "gauge", "Conversations.", counts.conversations);
    }
    if let Some(bytes) = resident_bytes() {
        put("resident_memory_bytes", "gauge", "Memory in use by the process.", bytes);
    }
    out
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
