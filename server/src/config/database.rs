//! Where everything is stored.

#[cfg(feature = "postgres")]
use crate::store::postgres::Address;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where everything is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Database {
    /// In this file.
    Sqlite(PathBuf),
    /// In PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(Box<Address>),
}

impl Database {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
        }
    }
}

/// What stands in files beside the URL of a PostgreSQL.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatabaseFiles {
    /// The password.
    pub password: Option<PathBuf>,
    /// The certificate of whoever signed the database's.
    pub ca: Option<PathBuf>,
}

#[cfg(feature = "postgres")]
impl Database {
    /// With what stands in files. `is_seen`: the URL stands on the command line. The error says what keeps it from
    /// being used safely.
    pub fn with_files(self, files: &DatabaseFiles, is_seen: bool) -> Result<Self, String> {
        let Self::Postgres(address) = self else { return Ok(self) };
        if is_seen && address.has_password() {
            return Err(
                "everybody on this machine can see the password in it. Put it into a file and name that with --database-password-file."
                    .to_owned(),
            );
        }
        let address = address.with_files(files.password.clone(), files.ca.clone());
        match address.problem() {
            Some(problem) => Err(problem.to_owned()),
            None => Ok(Self::Postgres(Box::new(address))),
        }
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(Box::new(Address::parse(text)?))),
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => Err(
                "this chat-server was built without PostgreSQL. Build it with --features postgres, or use sqlite:PATH."
                    .to_owned(),
            ),
            // What was typed may hold a password.
            _ => Err("must be of the form sqlite:PATH or postgres://USER@HOST/DATABASE".to_owned()),
        }
    }
}
