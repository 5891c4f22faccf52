//! Answers a question about every document by visiting every document.
//!
//! A few passages are retrieved in each, their sentences are compared with the criterion and with a sentence
//! as a document that meets it might have it (Gao et al., "Precise Zero-Shot Dense Retrieval without Relevance
//! Labels", 2023), and the model is asked for a yes or no only where that decides nothing.

use carrel_corpus::{Citation, DocumentId, Embedder, Generator, Passage};

use super::{Criterion, Reader, Source, Visited, Watcher};
use crate::evidence::Evidence;
use crate::prompt::{self, YesNo};
use crate::support::logistic;
use crate::text::dot;
use crate::words::content_stems;
use crate::{Error, Stats};

#[derive(Clone, Debug, PartialEq)]
pub struct ExhaustiveConfig {
    /// Passages read of each document.
    pub passages: usize,
    /// Tokens of a passage stretch that the model is shown for a yes or no.
    pub model_tokens: usize,
    /// Between these two probabilities the model is asked.
    pub undecided: (f32, f32),
}

impl Default for ExhaustiveConfig {
    fn default() -> ExhaustiveConfig {
        ExhaustiveConfig { passages: 5, model_tokens: 350, undecided: (0.12, 0.88) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Meets,
    DoesNot,
}

/// What a visit to one document found.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub document: DocumentId,
    pub path: String,
    pub verdict: Verdict,
    /// Probability that the document meets the criterion.
    pub probability: f32,
    /// The sentence that decided, whichever way: for a document that does not meet the criterion the nearest one.
    pub evidence: Option<Citation>,
}

/// The state of the task; complete when every document has its row. Store it to go on later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exhausted {
    /// How a document that meets the criterion might put it, written once by the model.
    pub imagined: Option<String>,
    pub rows: Vec<Row>,
    pub stats: Stats,
}

impl Exhausted {
    /// The rows that answer the question, in the order of the visit.
    pub fn answer<'a>(&'a self, criterion: &Criterion) -> impl Iterator<Item = &'a Row> + 'a {
        let wanted = if criterion.lacking { Verdict::DoesNot } else { Verdict::Meets };
        self.rows.iter().filter(move |row| row.verdict == wanted)
    }
}

/// Visits the documents that have no row yet. Broken off by `watch`, it leaves in `state` what it has done.
///
/// # Errors
/// Fails when a network or the reader does; `state` keeps the rows made before.
pub fn exhaustive(
    criterion: &Criterion,
    documents: &[Source],
    config: &ExhaustiveConfig,
    state: &mut Exhausted,
    read: &mut Reader,
    (generator, embedder): (&dyn Generator, &dyn Embedder),
    watch: &mut Watcher,
) -> Result<(), Error> {
    let imagined = match state.imagined.take() {
        Some(imagined) => imagined,
        None => imagine(criterion, generator, &mut state.stats)?,
    };
    state.imagined = Some(imagined.clone());
    let visit = Visit { criterion, config, imagined: &imagined, generator, embedder };
    let wanted = [embedder.query(&criterion.text)?, embedder.query(&imagined)?];
    for source in documents {
        if state.rows.iter().any(|row| row.document == source.document) {
            continue;
        }
        let query = format!("{} {}", criterion.text, imagined);
        let mut passages = read(source.document, Some(&query))?;
        passages.truncate(config.passages);
        state.rows.push(visit.row(source, &passages, &wanted)?);
        let seen = Visited { done: state.rows.len(), total: documents.len(), path: &source.path };
        if watch(seen).is_break() {
            break;
        }
    }
    Ok(())
}

fn imagine(criterion: &Criterion, generator: &dyn Generator, stats: &mut Stats) -> Result<String, Error> {
    let asked = format!(
        "Write one sentence as it would stand in a document that has this: {}. Write only the sentence.",
        criterion.text
    );
    let reply =
        generator.generate(&prompt::plain(&asked, 60), &mut |_| std::ops::ControlFlow::Continue(()))?;
    stats.add(&reply);
    Ok(reply.text.split_whitespace().collect::<Vec<_>>().join(" "))
}

struct Visit<'a> {
    criterion: &'a Criterion,
    config: &'a ExhaustiveConfig,
    imagined: &'a str,
    generator: &'a dyn Generator,
    embedder: &'a dyn Embedder,
}

/// Constants of the probability before the model is asked, for cosine with the criterion, cosine with the imagined
/// sentence, and the share of the criterion's words in the stretch.
const BIAS: f32 = -6.0;
const ASKED: f32 = 5.0;
const IMAGINED: f32 = 4.0;
const WORDS: f32 = 2.5;
/// Weight of the model's log-odds of yes against no, and of the log-odds before it.
const MODEL: f32 = 1.0;
const BEFORE: f32 = 0.7;

impl Visit<'_> {
    fn row(&self, source: &Source, passages: &[Passage], wanted: &[Vec<f32>; 2]) -> Result<Row, Error> {
        let mut evidence = Evidence::new(passages);
        let citable: Vec<usize> =
            (0..evidence.sentences.len()).filter(|&index| evidence.sentences[index].citable).collect();
        evidence.embed(&citable, self.embedder)?;
        let best = citable
            .iter()
            .map(|&index| (self.log_odds(&evidence, index, wanted), index))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some((before, index)) = best else {
            return Ok(self.decided(source, 0.0, None));
        };
        let first = logistic(before);
        let (least, most) = self.config.undecided;
        let probability = if first <= least || first >= most {
            first
        } else {
            logistic(BEFORE * before + MODEL * self.model_log_odds(&evidence, index)?)
        };
        Ok(self.decided(source, probability, Some(evidence.citation(index..index + 1))))
    }

    fn decided(&self, source: &Source, probability: f32, evidence: Option<Citation>) -> Row {
        let verdict = if probability >= 0.5 { Verdict::Meets } else { Verdict::DoesNot };
        Row { document: source.document, path: source.path.clone(), verdict, probability, evidence }
    }

    fn log_odds(&self, evidence: &Evidence, index: usize, wanted: &[Vec<f32>; 2]) -> f32 {
        let sentence = &evidence.sentences[index];
        let near = |vector: &[f32]| evidence.vector(index).map_or(0.0, |own| dot(own, vector).max(0.0));
        let stems = content_stems(&self.criterion.text);
        let held = stems.iter().filter(|stem| sentence.stems.contains(*stem)).count();
        let words = held as f32 / stems.len().max(1) as f32;
        let imagined = if self.imagined.is_empty() { near(&wanted[0]) } else { near(&wanted[1]) };
        BIAS + ASKED * near(&wanted[0]) + IMAGINED * imagined + WORDS * words
    }

    /// Log-odds of yes against no, asked over the sentence with what stands around it.
    fn model_log_odds(&self, evidence: &Evidence, index: usize) -> Result<f32, Error> {
        let around = &evidence.surroundings[evidence.sentences[index].passage].sentences;
        let text = |from: usize, to: usize| {
            let passage = &evidence.passages[evidence.sentences[index].passage].text;
            &passage[evidence.sentences[from].range.start..evidence.sentences[to].range.end]
        };
        let (mut from, mut to) = (index, index);
        loop {
            let wider = (from.saturating_sub(1).max(around.start), (to + 1).min(around.end - 1));
            let same = wider == (from, to);
            if same || self.generator.count_tokens(text(wider.0, wider.1)) > self.config.model_tokens {
                break;
            }
            (from, to) = wider;
        }
        let asked = format!("Does this text state the following: {}?", self.criterion.text);
        YesNo::about(text(from, to), &asked).log_odds(self.generator)
    }
}
