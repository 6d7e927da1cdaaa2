//! The one signal that the server is stopping.

use tokio::sync::watch;

/// Tells whether the server is stopping. Clones are cheap and see the same.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<bool>);

/// Starts the stopping; there is one. Dropped without a start, nothing ever stops by it.
#[derive(Debug)]
pub struct DrainHandle(watch::Sender<bool>);

impl Drain {
    /// A signal that was not given yet, and the handle that gives it.
    pub fn new() -> (DrainHandle, Self) {
        let (sender, receiver) = watch::channel(false);
        (DrainHandle(sender), Self(receiver))
    }

    /// Is the server stopping?
    pub fn is_started(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the server begins to stop, at once if it does already.
    pub async fn started(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|started| *started).await.is_err() {
            // The handle is gone and was never used.
            std::future::pending::<()>().await;
        }
    }
}

impl DrainHandle {
    /// Begins to stop. Once is enough; more does no harm.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Another end that hears of it.
    pub fn drain(&self) -> Drain {
        Drain(self.0.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn everybody_hears_of_it_also_late() {
        let (handle, drain) = Drain::new();
        let early = drain.clone();
        assert!(!drain.is_started() && early.started().now_or_never().is_none());
        handle.start();
        early.started().await;
        handle.drain().started().await;
        assert!(drain.is_started());
    }

    #[tokio::test]
    async fn a_dropped_handle_stops_nothing() {
        let (handle, drain) = Drain::new();
        drop(handle);
        assert!(drain.started().now_or_never().is_none() && !drain.is_started());
    }
}
