//! Is there room for more?
//!
//! Two ways to learn that there is not: the free space falls below the reserve that the operator set, or
//! SQLite could not write. Both pass by themselves, and nobody has to be told when they have: the free
//! space is asked for with every batch, and a failed write counts for a few seconds only.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long after a write that found the disk full the store says so.
const LATELY: Duration = Duration::from_secs(3);

/// The disk that the database is on.
pub(super) struct Disk {
    directory: PathBuf,
    /// Bytes to keep free; 0 asks nobody.
    reserve: u64,
    was_low: AtomicBool,
    refused_at: Mutex<Option<Instant>>,
}

impl Disk {
    /// The disk of this database.
    pub(super) fn of(database: &Path, reserve: u64) -> Self {
        let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self {
            directory: directory.unwrap_or(Path::new(".")).to_owned(),
            reserve,
            was_low: AtomicBool::new(false),
            refused_at: Mutex::new(None),
        }
    }

    /// A disk of which nothing is known but what is refused.
    #[cfg(feature = "postgres")]
    pub(super) fn elsewhere() -> Self {
        Self::of(Path::new(""), 0)
    }

    /// Is less free than is to be kept free? A disk that does not tell counts as one with room.
    pub(super) fn is_low(&self) -> bool {
        if self.reserve == 0 {
            return false;
        }
        let free =
            rustix::fs::statvfs(&self.directory).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let is_low = free.is_ok_and(|free| free < self.reserve);
        if self.was_low.swap(is_low, Ordering::Relaxed) != is_low {
            match is_low {
                true => {
                    tracing::error!(reserve = self.reserve, "the disk is nearly full; nothing new is taken")
                }
                false => tracing::info!("the disk has room again"),
            }
        }
        is_low
    }

    /// A write found no room. Only the first of many is told of: a log of all of them would fill the disk
    /// that is full.
    pub(super) fn refused(&self) {
        let before = self.refused_at.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now());
        if before.is_none_or(|at| at.elapsed() >= LATELY) {
            tracing::error!("the disk is full; what finds no room is refused");
        }
    }

    /// Is the disk full or nearly so, as far as is known?
    pub(super) fn is_full(&self) -> bool {
        let refused_at = *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_low() || refused_at.is_some_and(|at| at.elapsed() < LATELY)
    }
}
