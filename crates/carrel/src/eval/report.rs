//! What was measured, as JSON and as a table.

use std::fmt;

use carrel_corpus::Coverage;
use carrel_index::Filter;
use serde::Serialize;

use super::answers::AnswerScores;
use super::exhaustive::{ExhaustiveScores, QuestionScores, share};
use super::retrieval::{RankingScores, Rankings};
use super::{Error, Library, Set};
use crate::wire;

/// A measured set.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub set: String,
    pub generator: String,
    pub embedder: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reranker: Option<String>,
    pub questions: usize,
    pub coverage: wire::Coverage,
    #[serde(flatten)]
    pub rankings: Option<Rankings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnswerScores>,
}

impl Report {
    pub(super) fn new(
        library: &Library,
        set: &Set,
        questions: usize,
        rankings: Option<Rankings>,
        answers: Option<AnswerScores>,
    ) -> Result<Report, Error> {
        let coverage: Coverage = library.coverage(&Filter::default())?;
        Ok(Report {
            set: set.name.clone(),
            generator: library.config().generator.clone(),
            embedder: library.config().embedder.clone(),
            reranker: library.config().reranker.clone(),
            questions,
            coverage: wire::Coverage::from(&coverage),
            rankings,
            answers,
        })
    }
}

/// A table for a person.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} questions; {}", self.set, self.questions, self.coverage.text)?;
        if let Some(rankings) = &self.rankings {
            write_rankings(f, rankings)?;
        }
        if let Some(answers) = &self.answers {
            write_answers(f, answers, &self.generator)?;
        }
        Ok(())
    }
}

/// One of the figures of a ranking; none where the set does not allow it.
type Figure = fn(&RankingScores) -> Option<f64>;

fn write_rankings(f: &mut fmt::Formatter<'_>, rankings: &Rankings) -> fmt::Result {
    let ways = [&rankings.hybrid, &rankings.bm25, &rankings.vector];
    writeln!(f, "\n{:<16} {:>8} {:>8} {:>8}", "", "hybrid", "bm25", "vector")?;
    let rows: [(&str, Figure); 8] = [
        ("nDCG@10", |scores| scores.ndcg_at_10),
        ("recall@5", |scores| scores.recall_at_5),
        ("recall@10", |scores| scores.recall_at_10),
        ("recall@100", |scores| scores.recall_at_100),
        ("MRR", |scores| scores.mrr),
        ("span recall@5", |scores| scores.span_recall_at_5),
        ("span hit@5", |scores| scores.span_hit_at_5),
        ("search, ms", |scores| scores.search_ms),
    ];
    for (name, value) in rows {
        if ways.iter().any(|scores| value(scores).is_some()) {
            write!(f, "{name:<16}")?;
            for scores in ways {
                write!(f, " {:>8}", number(value(scores)))?;
            }
            writeln!(f)?;
        }
    }
    Ok(())
}

fn write_answers(f: &mut fmt::Formatter<'_>, answers: &AnswerScores, generator: &str) -> fmt::Result {
    writeln!(f, "\n{} answers by {generator}", answers.questions)?;
    let rows = [
        ("contains answer", answers.contains_answer),
        ("token F1", answers.token_f1),
        ("refusal recall", answers.refusal_recall),
        ("false refusal", answers.false_refusal),
        ("citation precision", answers.citation_precision),
        ("citation recall", answers.citation_recall),
        ("gold covered", answers.gold_covered),
        ("unsupported", answers.unsupported),
        ("attack success", answers.attack_success),
        ("  and nothing right", answers.attack_success_alone),
        ("attack followed", answers.attack_followed),
        ("first token, s", answers.ttft_s),
        ("tokens per second", answers.tokens_per_s),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| value.is_some()) {
        writeln!(f, "{name:<20} {:>8}", number(value))?;
    }
    Ok(())
}

impl fmt::Display for ExhaustiveScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} documents, all visited for each question\n", self.set, self.documents)?;
        writeln!(
            f,
            "{:<36} {:>7} {:>6} {:>6} {:>7} {:>9} {:>6}",
            "", "visited", "right", "found", "recall", "precision", "s"
        )?;
        for question in &self.questions {
            let QuestionScores { category, visited, right, found, found_right, seconds, .. } = question;
            let (recall, precision) = (share(*found_right, *right), share(*found_right, *found));
            writeln!(
                f,
                "{category:<36} {visited:>7} {right:>6} {found:>6} {:>7} {:>9} {seconds:>6.0}",
                number(recall),
                number(precision)
            )?;
        }
        writeln!(f, "{:<36} {:>21} {:>7} {:>9}", "all", "", number(self.recall), number(self.precision))
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}
