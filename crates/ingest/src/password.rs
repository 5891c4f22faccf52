//! A password that a person gave for a file.

use std::fmt;

/// Kept in memory, handed to workers, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password of one line.
    pub fn new(text: &str) -> Password {
        Password(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
