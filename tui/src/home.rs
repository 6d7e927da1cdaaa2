//! Where the client keeps what it knows.

use crate::error::ClientError;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A directory that only its owner can look into.
#[derive(Debug, Clone)]
pub struct Home {
    state: PathBuf,
}

impl Home {
    /// `CHAT_TUI_HOME`, or chat-tui in the XDG state directory; made if it is not there.
    pub fn open() -> Result<Self, ClientError> {
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let own = std::env::var_os("CHAT_TUI_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let state = own
            .or_else(|| absolute("XDG_STATE_HOME").map(|state| state.join("chat-tui")))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state/chat-tui")))
            .ok_or_else(|| {
                ClientError::Other("there is no home directory. Say where with CHAT_TUI_HOME.".into())
            })?;
        Self::at(&state)
    }

    /// In this directory.
    pub fn at(path: &Path) -> Result<Self, ClientError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| ClientError::file(path, &error))?;
        Ok(Self { state: path.to_owned() })
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }
}
