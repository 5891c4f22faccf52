//! Reading files in processes that can do nothing else.
//!
//! A worker gets an open file and gives back a document. Before it reads the first byte it gives up, by the kernel,
//! opening files, the network, starting programs and threads, and more memory and processor time than it is allowed:
//! whatever a file makes it do costs that file. Workers stay warm and are pooled; one that fails is replaced.

#[cfg(unix)]
mod channel;
#[cfg(unix)]
mod lock;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
mod recognise;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod wire;

#[cfg(not(unix))]
mod plain;

use std::path::PathBuf;

#[cfg(not(unix))]
pub use plain::{Workers, worker_main};
#[cfg(unix)]
pub use pool::Workers;
#[cfg(unix)]
pub use recognise::{Recognition, recognition};
#[cfg(unix)]
pub use serve::worker_main;

use crate::Limits;

/// How workers are started and what a file may cost.
#[derive(Clone, Debug)]
pub struct WorkersConfig {
    /// The program that calls [`worker_main`] when it is started with `args`.
    pub program: PathBuf,
    pub args: Vec<String>,
    /// Most workers at one time; at least 1.
    pub count: usize,
    pub limits: Limits,
}
