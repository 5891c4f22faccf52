//! Where the operating system has none of the means that shut a worker in, files are read in this process.

use std::path::Path;
use std::process::ExitCode;

use carrel_corpus::Document;

use super::WorkersConfig;

/// Reads files with the limits of size and number only.
pub struct Workers {
    config: WorkersConfig,
}

impl Workers {
    pub fn new(config: WorkersConfig) -> Workers {
        Workers { config }
    }

    /// Reads a file; passwords are of no use here.
    pub fn extract(&self, path: &Path) -> Document {
        crate::extract(path, &self.config.limits)
    }

    /// Opens nothing.
    pub fn unlock(&self, _: &Path, _: &crate::Password) -> Option<Document> {
        None
    }
}

/// There are no workers on this system.
pub fn worker_main() -> ExitCode {
    ExitCode::FAILURE
}
