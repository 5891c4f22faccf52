//! Remembers on which devices the folders were, across restarts: what tells a folder that was unmounted from one
//! that was emptied. A hint, not truth: without it the first scan takes the devices as it finds them.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Mounts {
    file: PathBuf,
}

impl Mounts {
    pub(super) fn beside(data_dir: &Path) -> Mounts {
        Mounts { file: data_dir.join("mounts.json") }
    }

    /// Path and device of each mount point; none where nothing is known.
    pub(super) fn load(&self) -> Vec<(String, u64)> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Replaces what is remembered, where it is something else.
    pub(super) fn store(&self, mounts: &[(String, u64)]) {
        if self.load() == mounts {
            return;
        }
        let next = self.file.with_extension("next");
        let written = serde_json::to_string(mounts)
            .map_err(std::io::Error::other)
            .and_then(|text| fs::write(&next, text))
            .and_then(|()| fs::rename(&next, &self.file));
        if let Err(error) = written {
            tracing::warn!(%error, "could not remember where the folders are mounted");
        }
    }
}
