//! From folders of files to text that can be indexed: what a file is, what stands in it and where, read in a worker
//! process so that a hostile file costs only itself.

mod chunk;
mod detect;
mod error;
mod extract;
mod limits;
mod password;
mod rules;
mod scan;
mod watch;
mod worker;

pub use chunk::{ChunkConfig, chunk, embedding_text};
pub use error::Error;
pub use extract::extract;
pub use limits::Limits;
pub use password::Password;
pub use rules::{IGNORE_FILE, Rules};
pub use scan::{Change, Known, Scan, Stamp, path_from_stored, scan, stored_from_path};
pub use watch::{Error as WatchError, Signal, Watcher, watch};
#[cfg(unix)]
pub use worker::{Recognition, recognition};
pub use worker::{Workers, WorkersConfig, worker_main};
