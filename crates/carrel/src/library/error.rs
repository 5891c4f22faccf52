//! What can go wrong in the library, with a hint for the person where there is something to be done.

use std::path::PathBuf;

use carrel_corpus::SeamError;

/// Why the library could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Index(#[from] carrel_index::Error),
    #[error(transparent)]
    Models(#[from] carrel_models::Error),
    #[error("could not use the model")]
    Seam(#[from] SeamError),
    #[error("could not answer")]
    Generate(#[from] carrel_generate::Error),
    #[error("could not write the audit log")]
    Audit(#[from] crate::audit::Error),
    #[error("no such folder `{}`", .0.display())]
    NotAFolder(PathBuf),
    #[error("could not open the folder `{}`", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("could not read `{}`", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the folder `{}` holds the library's own data", .0.display())]
    OwnData(PathBuf),
    #[error("this folder is not in the library")]
    NoSuchFolder,
    #[error("this conversation is not in the library")]
    NoSuchConversation,
    #[error("the question is empty")]
    EmptyQuestion,
    /// What was to be read, in words.
    #[error("no text was read from {0}")]
    NoText(String),
    #[error("this password does not open `{0}`")]
    WrongPassword(String),
    #[error("the question was broken off")]
    Cancelled,
    /// What stopped the background work, in words, and what can be done about it.
    #[error("could not read the documents: {message}")]
    Background { message: String, hint: Option<String> },
}

/// Whose fault it was, for status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    NotFound,
    BadRequest,
    /// Another process has the library open.
    Busy,
    Internal,
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::NoSuchFolder | Error::NoSuchConversation | Error::NoText(_) => Kind::NotFound,
            Error::Index(carrel_index::Error::Missing { .. }) => Kind::NotFound,
            Error::Index(carrel_index::Error::Locked { .. }) => Kind::Busy,
            Error::NotAFolder(_) | Error::Folder { .. } | Error::File { .. } | Error::OwnData(_) => {
                Kind::BadRequest
            }
            Error::EmptyQuestion | Error::Cancelled => Kind::BadRequest,
            Error::WrongPassword(_) => Kind::BadRequest,
            Error::Generate(carrel_generate::Error::Schema) => Kind::BadRequest,
            _ => Kind::Internal,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Index(error) => error.hint().map(str::to_owned),
            Error::Models(error) => error.hint(),
            Error::Background { hint, .. } => hint.clone(),
            Error::NotAFolder(_) => Some("name a folder that exists".into()),
            Error::OwnData(_) => Some("add the folder that holds your documents instead".into()),
            Error::NoText(_) => {
                Some("`carrel extract FILE` shows what is read from a file, or why nothing is".into())
            }
            Error::Generate(carrel_generate::Error::Schema) => {
                Some("`carrel table --help` shows such a schema".into())
            }
            Error::WrongPassword(_) => {
                Some("what can be opened are PDF, Office and OpenDocument files and ZIP archives; nothing was kept".into())
            }
            Error::NoSuchFolder => Some("`carrel status` lists the folders".into()),
            _ => None,
        }
    }
}
