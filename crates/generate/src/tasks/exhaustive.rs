//! Answers a question about every document by visiting every document.
//!
//! In each, the sentences nearest to the criterion are found, and the model is asked twice about them: whether they
//! state it, and for an answer to it. A small model's yes comes easily for one criterion and hardly for another, so what
//! counts is not only how sure it is, but how sure compared with the other documents. Therefore nothing is decided
//! before all have been visited.

use std::sync::LazyLock;

use carrel_corpus::{Citation, DocumentId, Embedder, Generator, Passage};
use regex::Regex;

use super::{Criterion, Reader, Source, Test, Visited, Watcher};
use crate::evidence::Evidence;
use crate::facts::{Fact, Unit, is_date};
use crate::language::language;
use crate::nearness::Nearness;
use crate::prompt::YesNo;
use crate::support::logistic;
use crate::words::find_words;
use crate::{Error, Stats};

#[derive(Clone, Debug, PartialEq)]
pub struct ExhaustiveConfig {
    /// Passages read of each document.
    pub passages: usize,
    /// Sentences of them that are compared with the criterion by meaning.
    pub candidates: usize,
    /// Sentences of them that the model is shown.
    pub sentences: usize,
    /// Bytes of a sentence that it is shown.
    pub sentence_bytes: usize,
}

impl Default for ExhaustiveConfig {
    fn default() -> ExhaustiveConfig {
        ExhaustiveConfig { passages: 24, candidates: 40, sentences: 6, sentence_bytes: 350 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Meets,
    DoesNot,
}

/// How strongly a document speaks for the criterion, before it is compared with the others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signs {
    /// Nearness of the best sentence, from cosine and shared words.
    pub near: f32,
    /// The model's log-odds that the sentences state the criterion.
    pub states: f32,
    /// The model's log-odds of yes where the criterion is put as a question.
    pub answers: f32,
}

/// What a visit to one document found.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub document: DocumentId,
    pub path: String,
    pub verdict: Verdict,
    /// Probability that the document meets the criterion.
    pub probability: f32,
    /// None where there was nothing to read.
    pub signs: Option<Signs>,
    /// The sentence nearest to the criterion, whichever way it was decided.
    pub evidence: Option<Citation>,
}

/// The state of the task; complete when every document has its row. Store it to go on later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exhausted {
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

/// Visits the documents that have no row yet. Broken off by `watch`, it leaves in `state` what it has done, decided from
/// what it has seen.
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
    let visit =
        Visit { criterion, config, nearness: nearness(&criterion.text, embedder)?, generator, embedder };
    for source in documents {
        if state.rows.iter().any(|row| row.document == source.document) {
            continue;
        }
        let row = match &criterion.test {
            Some(test) => tested(test, source, &read(source.document, None)?),
            None => {
                let mut passages = read(source.document, Some(&criterion.text))?;
                passages.truncate(config.passages);
                visit.row(source, &passages)?
            }
        };
        state.rows.push(row);
        let seen = Visited { done: state.rows.len(), total: documents.len(), path: &source.path };
        if watch(seen).is_break() {
            break;
        }
    }
    match criterion.test {
        Some(_) => state.rows.iter_mut().for_each(decide_by_evidence),
        None => decide(&mut state.rows),
    }
    Ok(())
}

/// The first sentence of a document that meets `test`.
fn tested(test: &Test, source: &Source, passages: &[Passage]) -> Row {
    let evidence = Evidence::new(passages);
    // An instruction says so too, where nothing else does.
    let (citable, others): (Vec<usize>, Vec<usize>) =
        (0..evidence.sentences.len()).partition(|&at| evidence.sentences[at].citable);
    let mut sentences = citable.into_iter().chain(others);
    let holds = |fact: fn(&Fact) -> bool, at: usize| {
        evidence.sentences[at].facts.iter().any(|found| fact(&found.fact))
    };
    let found = match test {
        Test::Names(names) => {
            sentences.find(|&at| names.iter().any(|name| find_words(evidence.text(at), name).is_some()))
        }
        Test::Date => sentences.find(|&at| holds(is_date, at)),
        Test::Amount => sentences.find(|&at| {
            let is_money = |fact: &Fact| matches!(fact, Fact::Number { unit, .. } if unit.is_currency());
            holds(is_money, at) || MONEY.is_match(evidence.text(at))
        }),
        Test::Percentage => {
            sentences.find(|&at| holds(|fact| matches!(fact, Fact::Number { unit: Unit::Percent, .. }), at))
        }
        Test::Address => sentences.find(|&at| ADDRESS.is_match(evidence.text(at))),
        Test::Language(wanted) => {
            let text: Vec<&str> = passages.iter().map(|passage| passage.text.as_str()).collect();
            let is_written = language(&text.join("\n")) == *wanted;
            sentences.find(|&at| is_written && language(evidence.text(at)) == *wanted)
        }
    };
    Row {
        document: source.document,
        path: source.path.clone(),
        verdict: Verdict::DoesNot,
        probability: 0.0,
        signs: None,
        evidence: found.map(|at| evidence.citation(at..at + 1)),
    }
}

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    // The source is a literal.
    Regex::new(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+").unwrap_or_else(|error| panic!("{error}"))
});

/// An amount whose currency is a word.
static MONEY: LazyLock<Regex> = LazyLock::new(|| {
    let names = "euros?|eur|usd|gbp|chf|jpy|cny|rmb|pounds?|dollars?|francs?|franken|yuan|yen";
    let source = format!(r"(?i)\d\s*(?:(?:{names})\b|[元圆])|\b(?:{names})\s*\d");
    Regex::new(&source).unwrap_or_else(|error| panic!("{error}"))
});

fn decide_by_evidence(row: &mut Row) {
    let holds = row.evidence.is_some();
    row.probability = f32::from(u8::from(holds));
    row.verdict = if holds { Verdict::Meets } else { Verdict::DoesNot };
}

/// To the criterion; what stands before its colon and what stands after it, a name and its explanation, count alike.
fn nearness(criterion: &str, embedder: &dyn Embedder) -> Result<Nearness, Error> {
    let (name, explanation) = criterion.split_once(": ").unwrap_or((criterion, ""));
    Nearness::to(&[name, explanation], embedder)
}

struct Visit<'a> {
    criterion: &'a Criterion,
    config: &'a ExhaustiveConfig,
    nearness: Nearness,
    generator: &'a dyn Generator,
    embedder: &'a dyn Embedder,
}

impl Visit<'_> {
    fn row(&self, source: &Source, passages: &[Passage]) -> Result<Row, Error> {
        let mut row = Row {
            document: source.document,
            path: source.path.clone(),
            verdict: Verdict::DoesNot,
            probability: 0.0,
            signs: None,
            evidence: None,
        };
        let mut evidence = Evidence::new(passages);
        let citable = self.candidates(&evidence);
        evidence.embed(&citable, self.embedder)?;
        let mut ranked: Vec<(f32, usize)> =
            citable.into_iter().map(|index| (self.nearness.of(&evidence, index), index)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let Some(&(near, best)) = ranked.first() else { return Ok(row) };
        let shown: Vec<&str> = ranked
            .iter()
            .take(self.config.sentences)
            .map(|&(_, index)| shortened(evidence.text(index), self.config.sentence_bytes))
            .collect();
        let shown = shown.join("\n");
        let wanted = &self.criterion.text;
        let ask = |question: String| YesNo::about(&shown, &question).log_odds(self.generator);
        row.signs = Some(Signs {
            near,
            states: ask(format!("Does this text state the following: {wanted}?"))?,
            answers: ask(format!("Question about this text: {wanted}"))?,
        });
        row.evidence = Some(evidence.citation(best..best + 1));
        Ok(row)
    }

    /// The sentences worth an embedding: those that share words with the criterion, or stand in a passage near to it.
    fn candidates(&self, evidence: &Evidence) -> Vec<usize> {
        let mut ranked: Vec<(f32, usize)> = (0..evidence.sentences.len())
            .filter(|&index| evidence.sentences[index].citable)
            .map(|index| {
                let passage = &evidence.passages[evidence.sentences[index].passage];
                (self.nearness.words(evidence, index) + passage.similarity.unwrap_or(0.0), index)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.truncate(self.config.candidates);
        ranked.into_iter().map(|(_, index)| index).collect()
    }
}

fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Mean and standard deviation of each sign over documents of all kinds, and its weights: as it is, and compared with
/// the other documents. That the model's yes to a question counts against a document where the yes is not compared means
/// that there are questions to which it says yes everywhere.
struct Scale {
    of: fn(&Signs) -> f32,
    mean: f32,
    deviation: f32,
    absolute: f32,
    compared: f32,
}

// Fitted by `tests/scripts/calibrate_exhaustive.py` with Qwen2.5-Coder-1.5B to seven questions over 60 contracts. Each left
// out in turn: recall 0.87, precision 0.74.
const SCALES: [Scale; 3] = [
    Scale { of: |signs| signs.near, mean: 0.530, deviation: 0.174, absolute: 0.28, compared: 0.99 },
    Scale { of: |signs| signs.states, mean: -0.139, deviation: 0.558, absolute: 0.94, compared: 0.42 },
    Scale { of: |signs| signs.answers, mean: 0.384, deviation: 0.417, absolute: -0.63, compared: 0.22 },
];
const BIAS: f32 = 0.44;
/// So many documents would have to be visited for their own mean to count as much as that of all kinds.
const FAMILIAR: f32 = 10.0;

/// Gives every row its verdict, from its own signs and those of the others.
fn decide(rows: &mut [Row]) {
    let all: Vec<Signs> = rows.iter().filter_map(|row| row.signs).collect();
    let count = all.len() as f32 + FAMILIAR;
    let own = SCALES.map(|scale| {
        let values = || all.iter().map(scale.of);
        let mean = (FAMILIAR * scale.mean + values().sum::<f32>()) / count;
        let spread = values().map(|value| (value - mean).powi(2)).sum::<f32>();
        let deviation = ((FAMILIAR * scale.deviation.powi(2) + spread) / count).sqrt();
        (scale, mean, deviation)
    });
    for row in rows {
        let Some(signs) = row.signs else { continue };
        let odds = own.iter().map(|(scale, mean, deviation)| {
            let value = (scale.of)(&signs);
            scale.absolute * (value - scale.mean) / scale.deviation
                + scale.compared * (value - mean) / deviation
        });
        row.probability = logistic(BIAS + odds.sum::<f32>());
        row.verdict = if row.probability >= 0.5 { Verdict::Meets } else { Verdict::DoesNot };
    }
}
