//! The second tier: vectors for what can already be found by keywords, made when nobody is asking.

use std::sync::Arc;
use std::time::{Duration, Instant};

use carrel_index::Filter;

use super::{Error, Library};

/// Texts embedded at once; between batches, questions go first.
pub(super) const BATCH: usize = 16;
/// Vectors committed at once: what a kill can cost.
const COMMIT: usize = 128;
/// New vectors become searchable at least this often.
const PUBLISH_EVERY: Duration = Duration::from_secs(2);
/// How long to wait before looking for new chunks when nothing was announced.
const IDLE: Duration = Duration::from_secs(1);
/// When work could not go on (a full disk), it is tried again after this long.
const RETRY: Duration = Duration::from_secs(15);

/// Runs until the library stops.
pub(super) fn run(library: &Arc<Library>) {
    while !library.is_stopping() {
        if library.activity.is_paused() || library.activity.is_reading() {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        let result = library.embed_all();
        library.activity.end_embedding(result.as_ref().err().map(|error| crate::chain(error)));
        let idle = match &result {
            Ok(()) => IDLE,
            Err(error) => {
                tracing::warn!(error = %crate::chain(error), "could not make vectors");
                RETRY
            }
        };
        library.wait_for_change(idle);
    }
}

impl Library {
    /// Makes vectors until every chunk has one, or until reading, a pause or the stop comes first.
    fn embed_all(&self) -> Result<(), Error> {
        let coverage = self.index.coverage(&Filter::default())?;
        if coverage.embedded >= coverage.chunks {
            return Ok(());
        }
        self.activity.begin_embedding(coverage.chunks - coverage.embedded);
        let mut published = Instant::now();
        while !self.is_stopping() && !self.activity.is_paused() && !self.activity.is_reading() {
            let made = self.embed_pending(COMMIT)?;
            self.activity.chunks_embedded(made);
            if made == 0 {
                break;
            }
            if published.elapsed() >= PUBLISH_EVERY {
                self.publish()?;
                published = Instant::now();
            }
        }
        self.publish()
    }

    /// Waits for something to change, but not past `longest` nor past the stop.
    fn wait_for_change(&self, longest: Duration) {
        let until = Instant::now() + longest;
        while !self.is_stopping() && !self.activity.is_reading() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
