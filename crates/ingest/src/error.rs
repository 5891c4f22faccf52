//! What can go wrong in this crate outside the reading of a single file, which never fails but ends as an
//! [`Outcome`](carrel_corpus::Outcome).

use std::path::PathBuf;

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The worker program could not be started.
    #[error("could not start the worker `{}`", program.display())]
    Spawn {
        program: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A worker could not be shut in, so it refuses to read anything.
    #[error("could not lock the worker down: {step}")]
    LockDown {
        step: &'static str,
        #[source]
        source: std::io::Error,
    },
}
