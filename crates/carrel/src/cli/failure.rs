//! Why a command failed, as it is told: what was attempted, its cause after a colon, and a hint on its own line.

use std::fmt;

use crate::{config, library};

#[derive(Debug)]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
    /// The reader of the output has left, as `head` does once it has its lines: there is nobody to tell.
    pub unread: bool,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Failure {
        Failure::told(message.into(), None)
    }

    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::told(message.into(), Some(hint.into()))
    }

    pub fn told(message: String, hint: Option<String>) -> Failure {
        Failure { message, hint, unread: false }
    }

    /// Any error, with its causes.
    pub fn of(error: &dyn std::error::Error) -> Failure {
        Failure::new(crate::chain(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<library::Error> for Failure {
    fn from(error: library::Error) -> Failure {
        Failure::told(crate::chain(&error), error.hint())
    }
}

impl From<carrel_models::Error> for Failure {
    fn from(error: carrel_models::Error) -> Failure {
        Failure::told(crate::chain(&error), error.hint())
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Failure {
        Failure::with_hint(crate::chain(&error), "pass `--data-dir DIR` with a directory of yours")
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure { unread: error.kind() == std::io::ErrorKind::BrokenPipe, ..Failure::of(&error) }
    }
}
