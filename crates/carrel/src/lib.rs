//! Carrel: point it at folders, ask questions, get answers whose every claim can be opened at its source.
//!
//! [`library::Library`] is the façade: the two straight lines, from a file to search and from a question to an
//! answer, are functions of it. The command line ([`cli`]) and the server ([`server`]) call it and hold no logic
//! of their own.

pub mod airgap;
pub mod audit;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod eval;
mod heap;
pub mod interrupt;
pub mod library;
pub mod server;
pub mod sheet;
pub mod wire;

/// An error with its causes on one line: `could not read it: permission denied`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
