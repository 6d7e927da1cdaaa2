//! What a power cut must not undo, where SQLite does not see to it.

use std::fs::File;
use std::io;
use std::path::Path;

/// Has the disk keep that this file was made, moved or removed here. (To flush the file keeps what is in it, and
/// not that it is there.)
pub fn keep_name(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
