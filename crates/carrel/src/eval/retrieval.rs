//! Retrieval alone, by words, by meaning, and by both.

use std::collections::HashSet;

use carrel_corpus::{Passage, Span};
use carrel_index::{Filter, Query, Ranking};
use serde::Serialize;

use super::gold::{Located, Place};
use super::metrics::{self, Mean};
use super::{Error, Library, Question, Watch};

/// Documents that a ranking must be able to name.
const DOCUMENTS: usize = 100;
/// Chunks whose spans are held against the gold ones.
const CHUNKS: usize = 5;

/// What one way of ranking achieves. Means over the questions that have a right document.
#[derive(Clone, Debug, Serialize)]
pub struct RankingScores {
    pub ndcg_at_10: Option<f64>,
    pub recall_at_5: Option<f64>,
    pub recall_at_10: Option<f64>,
    pub recall_at_100: Option<f64>,
    pub mrr: Option<f64>,
    /// Share of the gold spans' text in the first five chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_recall_at_5: Option<f64>,
    /// Share of the questions of which a gold span is touched by the first five chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_hit_at_5: Option<f64>,
    /// Means over the questions, of one search in milliseconds, without the query's vector.
    pub search_ms: Option<f64>,
}

/// The three ways side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Rankings {
    pub hybrid: RankingScores,
    pub bm25: RankingScores,
    pub vector: RankingScores,
}

/// Searches for every question that has a right document.
pub fn measure(
    library: &Library,
    questions: &[Question],
    gold: &Located,
    watch: Watch<'_>,
) -> Result<Rankings, Error> {
    let judged: Vec<&Question> =
        questions.iter().filter(|question| !gold.places(question).is_empty()).collect();
    let mut sums = [Sums::default(), Sums::default(), Sums::default()];
    for (at, question) in judged.iter().enumerate() {
        if watch("searching", at, judged.len()).is_break() {
            return Err(Error::Stopped);
        }
        let vector = library.embedder().query(&question.question)?;
        let (asked, filter) = library.meant(&question.question, &Filter::default())?;
        let places = gold.places(question);
        // The first is what the library does for a question.
        let best = library.ranking(&question.question);
        let ways = [best, Ranking::Keywords, Ranking::Vectors];
        for (at, (ranking, sums)) in ways.into_iter().zip(&mut sums).enumerate() {
            let mut query = query(question, vector.clone(), ranking);
            if at == 0 && filter != query.filter {
                query.vector = Some(library.embedder().query(&asked)?);
                (query.text, query.filter) = (asked.to_string(), filter.clone());
            }
            let began = std::time::Instant::now();
            let ranked = match at == 0 {
                true => library.find(&query)?,
                false => library.index().search(&query)?,
            };
            sums.search_ms.add(began.elapsed().as_secs_f64() * 1000.0);
            sums.judge(&ranked, places, gold);
        }
    }
    let [hybrid, bm25, vector] = sums.map(Sums::means);
    Ok(Rankings { hybrid, bm25, vector })
}

/// The best chunks of as many documents as are judged. Copies of a text stay apart: each may be the right one.
fn query(question: &Question, vector: Vec<f32>, ranking: Ranking) -> Query {
    Query {
        text: question.question.clone(),
        vector: (ranking != Ranking::Keywords).then_some(vector),
        filter: Filter::default(),
        limit: 3 * DOCUMENTS,
        ranking,
        per_document: None,
        collapse_duplicates: false,
        strict_phrases: false,
    }
}

#[derive(Default)]
struct Sums {
    ndcg_at_10: Mean,
    recall_at_5: Mean,
    recall_at_10: Mean,
    recall_at_100: Mean,
    mrr: Mean,
    span_recall_at_5: Mean,
    span_hit_at_5: Mean,
    search_ms: Mean,
}

impl Sums {
    fn judge(&mut self, ranked: &[Passage], places: &[Place], gold: &Located) {
        let documents = best_per_document(ranked, gold);
        let relevant: HashSet<&str> = places.iter().map(|place| gold.name(place.document)).collect();
        self.ndcg_at_10.add(metrics::ndcg(&documents, &relevant, 10));
        self.recall_at_5.add(metrics::recall(&documents, &relevant, 5));
        self.recall_at_10.add(metrics::recall(&documents, &relevant, 10));
        self.recall_at_100.add(metrics::recall(&documents, &relevant, DOCUMENTS));
        self.mrr.add(metrics::reciprocal_rank(&documents, &relevant));
        self.judge_spans(&ranked[..ranked.len().min(CHUNKS)], places);
    }

    fn judge_spans(&mut self, top: &[Passage], places: &[Place]) {
        let shares: Vec<f64> = places
            .iter()
            .filter_map(|place| Some((place.document, place.span?)))
            .map(|(document, span)| {
                let spans: Vec<Span> = top
                    .iter()
                    .filter(|passage| passage.document == document)
                    .map(|passage| passage.span)
                    .collect();
                metrics::covered(span, &spans)
            })
            .collect();
        if shares.is_empty() {
            return;
        }
        self.span_recall_at_5.add(shares.iter().sum::<f64>() / shares.len() as f64);
        let hit = shares.iter().any(|share| *share > 0.0);
        self.span_hit_at_5.add(f64::from(u8::from(hit)));
    }

    fn means(self) -> RankingScores {
        RankingScores {
            ndcg_at_10: self.ndcg_at_10.value(),
            recall_at_5: self.recall_at_5.value(),
            recall_at_10: self.recall_at_10.value(),
            recall_at_100: self.recall_at_100.value(),
            mrr: self.mrr.value(),
            span_recall_at_5: self.span_recall_at_5.value(),
            span_hit_at_5: self.span_hit_at_5.value(),
            search_ms: self.search_ms.value(),
        }
    }
}

/// Each document once, at the rank of its best chunk.
fn best_per_document<'a>(ranked: &[Passage], gold: &'a Located) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    ranked.iter().map(|passage| gold.name(passage.document)).filter(|name| seen.insert(*name)).collect()
}
