//! The second tier: vectors for what can already be found by keywords, made when nobody is asking.

use std::sync::Arc;
use std::time::{Duration, Instant};

use carrel_corpus::Embedder;
use carrel_index::{Filter, Ranking};

use super::status::Trouble;
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

/// Tokens for each character from which on a text is spelled and not read, and up to which it is not even that.
/// Measured: questions in English 0.15 to 0.5 and in German and Spanish up to 0.56 by an English embedder, in Arabic
/// 0.82 to 1, in Chinese 0.9 to 1; what it has no letters for is one unknown token a word.
const SPELLED: f32 = 0.7;
const SWALLOWED: f32 = 0.1;

/// How passages are best ranked for a question: by words alone where the embedder has not learned its language. Such
/// an embedder takes the words apart into letters, and what it then finds similar would only displace what words find.
pub(super) fn ranking(embedder: &dyn Embedder, question: &str) -> Ranking {
    let characters = question.chars().filter(|character| !character.is_whitespace()).count().max(1);
    let share = embedder.count_tokens(question) as f32 / characters as f32;
    match (SWALLOWED..SPELLED).contains(&share) {
        true => Ranking::Hybrid,
        false => Ranking::Keywords,
    }
}

/// Runs until the library stops.
pub(super) fn run(library: &Arc<Library>) {
    while !library.is_stopping() {
        if library.activity.is_paused() || library.activity.is_reading() {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        let result = library.embed_all();
        library.activity.end_embedding(result.as_ref().err().map(Trouble::from));
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

#[cfg(test)]
mod tests {
    use carrel_corpus::SeamError;

    use super::*;

    /// Knows words of Latin letters, the letters of Greek, and nothing else.
    struct Latin;

    impl Embedder for Latin {
        fn id(&self) -> &str {
            "latin"
        }

        fn dimensions(&self) -> usize {
            1
        }

        fn max_tokens(&self) -> usize {
            64
        }

        fn count_tokens(&self, text: &str) -> usize {
            let tokens = |word: &str| match word.chars().all(|letter| ('α'..='ώ').contains(&letter)) {
                true => word.chars().count(),
                false => 1,
            };
            text.split_whitespace().map(tokens).sum()
        }

        fn passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, SeamError> {
            Ok(vec![vec![1.0]; texts.len()])
        }

        fn query(&self, _: &str) -> Result<Vec<f32>, SeamError> {
            Ok(vec![1.0])
        }
    }

    #[test]
    fn a_language_that_the_embedder_spells_is_searched_by_words() {
        assert_eq!(ranking(&Latin, "when is the rent due"), Ranking::Hybrid);
        assert_eq!(ranking(&Latin, "ποτε πληρωνεται το ενοικιο"), Ranking::Keywords);
        assert_eq!(ranking(&Latin, "ค่าเช่าต้องจ่ายเมื่อไหร่"), Ranking::Keywords);
    }
}
