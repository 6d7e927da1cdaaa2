//! `/healthz` and `/readyz`.

use super::call::Call;
use super::reply::{Answer, text};
use crate::error::AppError;

pub(super) async fn healthz(_: Call) -> Answer {
    Ok(text("text/plain; charset=utf-8", "ok\n"))
}

pub(super) async fn readyz(call: Call) -> Answer {
    if call.api.drain.is_started() || call.api.chat.is_draining() {
        return Err(AppError::unavailable("The server is stopping."));
    }
    if call.api.chat.is_damaged() {
        return Err(AppError::unavailable("The database is damaged; the server's log tells more."));
    }
    call.api.chat.store().check().await?;
    Ok(text("text/plain; charset=utf-8", "ready\n"))
}
