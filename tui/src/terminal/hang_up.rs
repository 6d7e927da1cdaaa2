//! The end of the terminal: a window that is closed, a connection that is cut.
//!
//! Whoever leads the session is told by a signal, but not a program below a shell that is deaf to it; and the
//! library that reads the terminal then tries to read on for ever, without a word.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

/// An end that was told takes less; whoever has not ended by then reads from what is not there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells when the terminal is gone.
#[derive(Debug)]
pub struct HangUp {
    gone: mpsc::Receiver<()>,
}

impl HangUp {
    /// Of the terminal that standard input is. A thread waits for it: keys, which are not its own to read,
    /// do not wake it.
    pub fn watch() -> io::Result<Self> {
        let (tell, gone) = mpsc::channel(1);
        std::thread::Builder::new().name("hang-up".to_owned()).spawn(move || {
            loop {
                match look(None) {
                    Ok(true) => break,
                    Ok(false) | Err(Errno::INTR) => {}
                    // Then it is for the library that reads to find out.
                    Err(_) => return,
                }
            }
            // Nobody may be there to hear it: the program is ending, or caught in reading.
            let _ = tell.blocking_send(());
            std::thread::sleep(PATIENCE);
            std::process::exit(i32::from(crate::error::exit::OK));
        })?;
        Ok(Self { gone })
    }

    /// Returns when it is gone. Dropping the future loses nothing.
    pub async fn wait(&mut self) {
        if self.gone.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// Is the terminal gone?
pub fn is_gone() -> bool {
    look(Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(true)
}

/// Looks whether it is gone, and waits for that so long; without a limit if none is given.
fn look(wait: Option<&Timespec>) -> Result<bool, Errno> {
    let input = io::stdin();
    // Nothing is asked for: its end is told all the same.
    let mut asked = [PollFd::new(&input, PollFlags::empty())];
    poll(&mut asked, wait)?;
    Ok(asked[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}
