//! Why a command failed, as it is told: what was attempted, its cause after a colon, and a hint on its own line.

use std::fmt;

use crate::{config, library};

#[derive(Debug)]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), hint: None }
    }

    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { message: message.into(), hint: Some(hint.into()) }
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
        Failure { message: crate::chain(&error), hint: error.hint() }
    }
}

impl From<carrel_models::Error> for Failure {
    fn from(error: carrel_models::Error) -> Failure {
        Failure { message: crate::chain(&error), hint: error.hint() }
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Failure {
        Failure::with_hint(crate::chain(&error), "pass `--data-dir DIR` with a directory of yours")
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::of(&error)
    }
}
