//! Why the index could not do what it was asked, in terms that a person can act on.

use std::io;
use std::path::PathBuf;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Every variant names the attempt; vendors' errors are only ever a source, never a type of this interface.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the library at `{}` is in use by another process", directory.display())]
    Locked { directory: PathBuf },
    #[error("could not {attempt} `{}`", path.display())]
    File { attempt: &'static str, path: PathBuf, source: io::Error },
    #[error("no space is left for the library")]
    Full(#[source] Cause),
    #[error("the library cannot be written to")]
    ReadOnly(#[source] Cause),
    #[error("the catalog was written by a newer version of Carrel")]
    Newer(#[source] Cause),
    #[error("the catalog is damaged")]
    Damaged(#[source] Cause),
    #[error("the catalog could not be read or written")]
    Catalog(#[source] Cause),
    #[error("the keyword index could not be read or written")]
    Keywords(#[source] Cause),
    #[error("the vector index could not be read or written")]
    Vectors(#[source] Cause),
    #[error("a vector has {found} dimensions; this library's embedder makes {expected}")]
    Dimensions { expected: usize, found: usize },
    #[error("`{0}` is not a usable path pattern")]
    Pattern(String),
    #[error("no such {what} in the library")]
    Missing { what: &'static str },
    #[error("a reading of `{path}` has {chunks} chunks but {texts} texts")]
    Reading { path: String, chunks: usize, texts: usize },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Error::Locked { .. } => "another carrel is using it; stop that one or pass `--data-dir`",
            Error::File { .. } | Error::ReadOnly(_) => {
                "check that the data directory exists and is yours to write"
            }
            Error::Full(_) => "free some disk space and try again; nothing that was acknowledged is lost",
            Error::Newer(_) => "use the newer carrel, or pass another `--data-dir`",
            Error::Damaged(_) => {
                "move the data directory away and add the folders again; your own files are not affected"
            }
            Error::Pattern(_) => "`*` stands for any characters and `?` for one",
            _ => return None,
        })
    }

    pub(crate) fn keywords(source: impl Into<Cause>) -> Error {
        full_or(source.into(), Error::Keywords)
    }

    pub(crate) fn vectors(source: impl Into<Cause>) -> Error {
        full_or(source.into(), Error::Vectors)
    }

    pub(crate) fn file(attempt: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull => Error::Full(source.into()),
            _ => Error::File { attempt, path, source },
        }
    }
}

/// A full disk reaches us wrapped by the vendor; looking down the chain of sources finds it.
fn full_or(cause: Cause, otherwise: fn(Cause) -> Error) -> Error {
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(cause.as_ref());
    while let Some(error) = link {
        if error.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::StorageFull) {
            return Error::Full(cause);
        }
        link = error.source();
    }
    otherwise(cause)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly};
        match error.sqlite_error_code() {
            Some(DiskFull) => Error::Full(error.into()),
            Some(ReadOnly) => Error::ReadOnly(error.into()),
            Some(DatabaseCorrupt | NotADatabase) => Error::Damaged(error.into()),
            _ => Error::Catalog(error.into()),
        }
    }
}

impl From<rusqlite_migration::Error> for Error {
    fn from(error: rusqlite_migration::Error) -> Error {
        use rusqlite_migration::{Error as Migration, MigrationDefinitionError};
        match error {
            Migration::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => {
                Error::Newer(error.into())
            }
            Migration::RusqliteError { err, .. } => err.into(),
            other => Error::Catalog(other.into()),
        }
    }
}
