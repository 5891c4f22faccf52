//! Retrieval and answers measured on a folder of documents with questions (`carrel eval`).
//!
//! The set's documents become a library of their own, kept in the cache directory: a second run reads and embeds
//! nothing. What is measured is the product itself, through the same calls as everything else.

mod answers;
mod baseline;
mod exhaustive;
mod gold;
mod init;
mod metrics;
mod report;
mod retrieval;
mod set;

use std::path::{Path, PathBuf};

use sha1_smol::Sha1;

use crate::library::{self, Library};

pub use answers::AnswerScores;
pub use baseline::SideBySide;
pub use exhaustive::{ExhaustiveScores, Selection, measure as exhaustive};
pub use init::{draft_questions, write as write_set};
pub use report::Report;
pub use retrieval::RankingScores;
pub use set::{Gold, Question, Set, Variant};

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether answers are written and judged too.
    pub answers: bool,
    /// Whether the model is asked without any passage instead: what it knows by itself.
    pub closed_book: bool,
    /// Only so many questions, the first by the SHA-1 of seed and id.
    pub limit: Option<usize>,
    /// Chooses other questions when it is not 0.
    pub seed: u64,
}

/// Why a set could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not read `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("could not write the set `{}`", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("could not understand line {line} of `{}`", path.display())]
    Parse { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("`{}` is not a set of documents and questions", .0.display())]
    NotASet(PathBuf),
    #[error("the questions of this set have no `category` and `scope`")]
    NoCategories,
    #[error(transparent)]
    Library(#[from] library::Error),
    #[error(transparent)]
    Index(#[from] carrel_index::Error),
    #[error("could not write the answer")]
    Seam(#[from] carrel_corpus::SeamError),
    #[error("stopped")]
    Stopped,
}

impl Error {
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NotASet(_) => Some("it needs a folder `docs` and a file `queries.jsonl`".into()),
            Error::Write { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                Some("it holds another set: name a directory of its own with `--out`".into())
            }
            Error::Library(error) => error.hint(),
            _ => None,
        }
    }
}

/// Where a measurement stands: what is done, how much of how much. Gives whether to go on.
pub type Watch<'a> = &'a mut dyn FnMut(&str, usize, usize) -> std::ops::ControlFlow<()>;

/// Measures `library`, which must have read the documents of `set`.
pub fn run(library: &Library, set: &Set, options: &Options, watch: Watch<'_>) -> Result<Report, Error> {
    let mut questions = set.questions.clone();
    if let Some(limit) = options.limit {
        sample(&mut questions, limit, options.seed);
    }
    let gold = gold::Located::new(library, set, &questions)?;
    let rankings = match options.closed_book {
        true => None,
        false => Some(retrieval::measure(library, &questions, &gold, watch)?),
    };
    let answers = match (options.answers || options.closed_book, options.closed_book) {
        (false, _) => None,
        (true, closed_book) => Some(answers::measure(library, set, &questions, &gold, closed_book, watch)?),
    };
    Report::new(library, set, questions.len(), rankings, answers)
}

/// Keeps the first `limit` questions by the SHA-1 of their id (with a seed, of `seed:id`).
fn sample(questions: &mut Vec<Question>, limit: usize, seed: u64) {
    questions.sort_by_cached_key(|question| match seed {
        0 => Sha1::from(&question.id).digest().bytes(),
        seed => Sha1::from(format!("{seed}:{}", question.id)).digest().bytes(),
    });
    questions.truncate(limit);
}

/// A name for the library of a set, the same in every run on the same documents.
pub fn library_name(documents: &Path, embedder: &str) -> String {
    let key = format!("{}\n{embedder}", documents.display());
    let stem = documents.parent().and_then(|set| set.file_name()).unwrap_or_default().to_string_lossy();
    format!("{stem}-{}", &blake3::hash(key.as_bytes()).to_hex()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_does_not_depend_on_the_order_of_the_file() {
        let question = |id: &str| Question { id: id.into(), ..Question::default() };
        let mut forwards: Vec<_> = ["a", "b", "c", "d", "e"].map(question).into();
        let mut backwards: Vec<_> = ["e", "d", "c", "b", "a"].map(question).into();
        sample(&mut forwards, 2, 0);
        sample(&mut backwards, 2, 0);
        let ids = |questions: &[Question]| questions.iter().map(|q| q.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&forwards), ids(&backwards));
        // SHA-1 of "c" begins with 84, of "e" with 58, of "d" with 3c, of "a" with 86, of "b" with e9.
        assert_eq!(ids(&forwards), ["d", "e"]);
    }
}
