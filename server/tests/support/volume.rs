//! A small file system of its own, mounted where one program alone sees it.

use std::path::Path;
use std::process::{Command, Stdio};

/// Its size, as `mount` wants it: room for a database and its log, and soon full.
const SIZE: &str = "size=24m";

/// A command that runs in a name space of its own, in which it is mounted here.
pub(crate) fn mounted(at: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(r#"mount -t tmpfs -o "$1" tmpfs "$0" && shift && exec "$@""#)
        .arg(at)
        .arg(SIZE);
    command
}

/// Can it be mounted on this machine?
pub(crate) fn can_mount(at: &Path) -> bool {
    mounted(at).arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
