//! What can go wrong between a model's name and its first token, in words that say what was attempted.

use std::path::{Path, PathBuf};

use crate::gguf::HeaderError;

/// An error of this crate. [`Error::hint`] says what a person can do about it, where anything can be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("could not {action} `{}`", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` is not a GGUF file that can be used", path.display())]
    Header {
        path: PathBuf,
        #[source]
        source: HeaderError,
    },
    #[error("the model says nothing of `{key}`")]
    MissingKey { key: String },
    #[error("the model's `{key}` cannot be used: {reason}")]
    BadValue { key: String, reason: String },
    #[error("the model has no tensor `{name}`")]
    MissingTensor { name: String },
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?}")]
    TensorShape { name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("tensor `{name}` is of type {found}, which is not supported")]
    TensorType { name: String, found: String },
    #[error("model architecture `{0}` is not supported")]
    Architecture(String),
    #[error("tokenizer `{0}` is not supported")]
    Tokenizer(String),
    #[error("the tokenizer could not be used: {0}")]
    Tokenization(String),
    #[error("the chat template could not be used: {0}")]
    Template(String),
    #[error("the JSON schema could not be used: {0}")]
    Grammar(String),
    #[error("prompt of {tokens} tokens does not fit into a context of {limit}")]
    ContextOverflow { tokens: usize, limit: usize },
    #[error(
        "model `{name}` needs {} of memory, {} is available",
        crate::fit::bytes(*needed),
        crate::fit::bytes(*available)
    )]
    DoesNotFit { name: String, needed: u64, available: u64 },
    #[error("no model `{name}` in the store")]
    UnknownModel { name: String },
    #[error("model `{name}` is a {found}, not a {wanted}")]
    WrongKind { name: String, found: &'static str, wanted: &'static str },
    #[error("`{name}` cannot be the name of a model")]
    BadName { name: String },
    #[error("model `{name}` cannot be fetched from {source_name}")]
    NoSuchSource { name: String, source_name: &'static str },
    #[error("could not reach {what}: {reason}")]
    Unreachable { what: String, reason: String, remedy: String },
    #[error("`{what}` has SHA-256 {found}, expected {expected}")]
    Digest { what: String, expected: String, found: String },
    #[error("no model was found in `{}`: {reason}", path.display())]
    NothingToImport { path: PathBuf, reason: String },
    #[error(
        "`{}` has {} free, {} are needed",
        path.display(),
        crate::fit::bytes(*available),
        crate::fit::bytes(*needed)
    )]
    DiskFull { path: PathBuf, needed: u64, available: u64 },
    #[error("another process is fetching `{name}`")]
    Busy { name: String },
    #[error("cancelled")]
    Cancelled,
    #[error("manifest `{}` cannot be read: {reason}", path.display())]
    Manifest { path: PathBuf, reason: String },
    #[error("the network failed: {action}")]
    Network {
        action: &'static str,
        #[source]
        source: candle_core::Error,
    },
}

impl Error {
    /// Wraps an input or output error with what was attempted on which file: `Error::io("open", path)`.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { action, path, source }
    }

    pub(crate) fn network(action: &'static str) -> impl FnOnce(candle_core::Error) -> Error {
        move |source| Error::Network { action, source }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Error::Unreachable { remedy, .. } => remedy.clone(),
            Error::UnknownModel { name } => format!(
                "fetch it with `carrel models pull {name}`, or bring a file and run `carrel models import FILE`; \
                 `carrel models list` shows what is there"
            ),
            Error::DoesNotFit { .. } => {
                "close other programs, choose a smaller model, or lower the context length".to_owned()
            }
            Error::ContextOverflow { .. } => {
                "ask with fewer passages, or raise the context length".to_owned()
            }
            Error::Digest { .. } => {
                "the file is damaged or is not the one it claims to be; fetch it again".to_owned()
            }
            Error::Busy { .. } => "wait for it to end, then try again".to_owned(),
            Error::Header { source: HeaderError::DataCut { .. }, .. } => {
                "the file is incomplete; copy or fetch it again".to_owned()
            }
            _ => return None,
        })
    }
}
