//! Libraries that are loaded before the C library (LD_PRELOAD) and stand in for some of its functions. They are in C,
//! because one that is loaded like this cannot be written without `unsafe`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles one of them, whose source is in this test, into a directory. None, and a word about it: there is no compiler.
pub(crate) fn library(source: &str, directory: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture").join(source);
    let library = directory.join(source.with_extension("so").file_name()?);
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]);
    match compiler.arg(&library).arg(&source).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("Passed over: {} needs a C compiler (cc).", source.display());
            None
        }
        compiled => {
            let said = compiled.unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            Some(library)
        }
    }
}
