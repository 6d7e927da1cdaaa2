//! Where everything is stored.

#[cfg(feature = "postgres")]
use crate::store::postgres::Address;
use std::path::PathBuf;
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
