//! The word that the server is to stop.

use tokio::sync::watch;

/// Gives the word.
#[derive(Debug)]
pub struct DrainHandle(watch::Sender<bool>);

/// Waits for it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<bool>);

impl Drain {
    /// Both ends.
    pub fn new() -> (DrainHandle, Self) {
        let (sender, receiver) = watch::channel(false);
        (DrainHandle(sender), Self(receiver))
    }

    /// Waits for the word; also when its giver is gone.
    pub async fn started(&self) {
        let _ = self.0.clone().wait_for(|started| *started).await;
    }

    /// Was it given?
    pub fn is_started(&self) -> bool {
        *self.0.borrow()
    }
}

impl DrainHandle {
    /// Gives the word.
    pub fn start(&self) {
        self.0.send_replace(true);
    }
}
