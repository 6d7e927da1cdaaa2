//! Starting the client: one thread with a runtime of its own, so that waiting for the disk never delays the screen.

use super::{Request, Update, run};
use crate::error::ClientError;
use crate::home::Home;
use crate::net::http::Account;
use tokio::sync::mpsc;

/// Updates that wait to be taken: each has some hundred kilobytes at the most.
const UPDATES: usize = 64;

/// A running client: the end on which to ask. Clones reach the same one; it ends when the last is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    requests: mpsc::UnboundedSender<Request>,
}

impl Client {
    /// Starts for this account. The first update is [`Update::Start`], from the cache alone, and the last
    /// [`Update::Ended`]. Updates are to be taken: while they wait, so does everything else.
    pub fn start(home: &Home, account: Account) -> Result<(Self, mpsc::Receiver<Update>), ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ClientError::Other(format!("cannot start: {error}")))?;
        let (requests, asked) = mpsc::unbounded_channel();
        let (updates, told) = mpsc::channel(UPDATES);
        let home = home.clone();
        std::thread::Builder::new()
            .name("client".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let reason = Box::pin(run::run(home, account, asked, updates.clone())).await;
                    // Whoever does not listen any more does not miss it.
                    let _ = updates.send(Update::Ended(reason)).await;
                });
                // A look-up of a name may hang in a thread of its own; nobody waits for it.
                runtime.shutdown_background();
            })
            .map_err(|error| ClientError::Other(format!("cannot start: {error}")))?;
        Ok((Self { requests }, told))
    }

    /// One whose thread is gone.
    #[cfg(test)]
    pub(crate) fn dead() -> Self {
        Self { requests: mpsc::unbounded_channel().0 }
    }

    /// Asks. Never waits; what comes of it arrives as updates.
    pub fn ask(&self, request: Request) {
        // A client that has ended has said so.
        let _ = self.requests.send(request);
    }
}
