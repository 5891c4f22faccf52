//! Compares two documents sentence by sentence: what says the same thing with other figures, and what only one has.
//!
//! No model writes here: every difference is two quotations, so there is nothing to be checked.

use std::collections::BTreeSet;

use carrel_corpus::{Citation, Embedder, Passage};

use crate::Error;
use crate::evidence::{Evidence, Sentence};
use crate::facts::stated;
use crate::text::dot;

/// One difference between two documents.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// Both speak of it and do not say the same.
    Changed {
        first: Citation,
        second: Citation,
    },
    OnlyFirst(Citation),
    OnlySecond(Citation),
}

/// All differences in the order of the first document, then those of the second alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    pub differences: Vec<Difference>,
    /// Sentences that both have, word for word or nearly.
    pub same: usize,
}

/// Cosine from which two sentences speak of the same matter.
const SAME_MATTER: f32 = 0.72;
/// Sentences with fewer words (headings, numbers of pages) are not compared.
const LEAST_WORDS: usize = 4;

/// Compares the documents whose passages are given in order. Overlapping passages are compared once.
///
/// # Errors
/// Fails when the embedder does.
pub fn compare(first: &[Passage], second: &[Passage], embedder: &dyn Embedder) -> Result<Comparison, Error> {
    let (mut a, mut b) = (Evidence::new(first), Evidence::new(second));
    let (ours, theirs) = (comparable(&a), comparable(&b));
    let exact = |evidence: &Evidence, all: &[usize]| -> BTreeSet<String> {
        all.iter().map(|&index| plain(evidence.text(index))).collect()
    };
    let (our_texts, their_texts) = (exact(&a, &ours), exact(&b, &theirs));
    let (mine, same): (Vec<usize>, Vec<usize>) =
        ours.into_iter().partition(|&index| !their_texts.contains(&plain(a.text(index))));
    let other: Vec<usize> =
        theirs.into_iter().filter(|&index| !our_texts.contains(&plain(b.text(index)))).collect();
    a.embed(&mine, embedder)?;
    b.embed(&other, embedder)?;
    let mut comparison = Comparison { differences: Vec::new(), same: same.len() };
    let mut matched: BTreeSet<usize> = BTreeSet::new();
    for &index in &mine {
        let near = other
            .iter()
            .filter(|at| !matched.contains(at))
            .map(|&at| (cosine(&a, index, &b, at), at))
            .max_by(|x, y| x.0.total_cmp(&y.0).then(y.1.cmp(&x.1)));
        match near.filter(|(value, _)| *value >= SAME_MATTER) {
            Some((_, at)) => {
                matched.insert(at);
                if says_the_same(&a.sentences[index], &b.sentences[at]) {
                    comparison.same += 1;
                } else {
                    let (first, second) = (a.citation(index..index + 1), b.citation(at..at + 1));
                    comparison.differences.push(Difference::Changed { first, second });
                }
            }
            None => comparison.differences.push(Difference::OnlyFirst(a.citation(index..index + 1))),
        }
    }
    let alone = other.iter().filter(|at| !matched.contains(at));
    comparison.differences.extend(alone.map(|&at| Difference::OnlySecond(b.citation(at..at + 1))));
    Ok(comparison)
}

/// Sentences worth comparing, each stretch of the document once.
fn comparable(evidence: &Evidence) -> Vec<usize> {
    let mut end = 0;
    let mut kept = Vec::new();
    for (index, sentence) in evidence.sentences.iter().enumerate() {
        let start = evidence.passages[sentence.passage].span.start;
        if start + sentence.range.start < end || sentence.stems.len() < LEAST_WORDS {
            continue;
        }
        end = start + sentence.range.end;
        kept.push(index);
    }
    kept
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn cosine(a: &Evidence, at: usize, b: &Evidence, other: usize) -> f32 {
    match (a.vector(at), b.vector(other)) {
        (Some(x), Some(y)) => dot(x, y),
        _ => 0.0,
    }
}

/// Nearly the same words, the same figures, the same denials.
fn says_the_same(a: &Sentence, b: &Sentence) -> bool {
    let shared = a.stems.intersection(&b.stems).count();
    let all = a.stems.union(&b.stems).count();
    let figures = a.facts.iter().all(|found| stated(&found.fact, &b.facts))
        && b.facts.iter().all(|found| stated(&found.fact, &a.facts));
    figures && a.denied == b.denied && shared * 10 >= all * 9
}
