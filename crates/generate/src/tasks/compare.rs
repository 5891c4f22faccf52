//! Compares two documents sentence by sentence: what says the same thing with other figures, and what only one has.
//!
//! No model writes here: every difference is two quotations, so there is nothing to be checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use carrel_corpus::{Citation, Embedder, Passage};
use regex::Regex;

use super::pattern;
use crate::Error;
use crate::evidence::{Evidence, Sentence};
use crate::facts::stated;
use crate::text::{dot, tokens};
use crate::words::content_stems;

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
/// What it counts for two sentences that what they say is called the same: `Admitted: 2 August`, or the only one below `Allergies`.
const SAME_LABEL: f32 = 0.75;
/// Words of such a name.
const LABEL: usize = 4;

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
    let labels = (labels(&a, &ours), labels(&b, &theirs));
    let (mine, same): (Vec<usize>, Vec<usize>) =
        ours.into_iter().partition(|&index| !their_texts.contains(&plain(a.text(index))));
    let other: Vec<usize> =
        theirs.into_iter().filter(|&index| !our_texts.contains(&plain(b.text(index)))).collect();
    a.embed(&mine, embedder)?;
    b.embed(&other, embedder)?;
    let mut near: Vec<(f32, usize, usize)> = Vec::new();
    for &index in &mine {
        let label = labels.0.get(&index);
        near.extend(other.iter().filter_map(|&at| {
            let is_called_alike = label.is_some() && label == labels.1.get(&at);
            let value = cosine(&a, index, &b, at) + if is_called_alike { SAME_LABEL } else { 0.0 };
            (value >= SAME_MATTER).then_some((value, index, at))
        }));
    }
    near.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let mut matched: BTreeMap<usize, usize> = BTreeMap::new();
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    for (_, index, at) in near {
        if !matched.contains_key(&index) && taken.insert(at) {
            matched.insert(index, at);
        }
    }
    let mut comparison = Comparison { differences: Vec::new(), same: same.len() };
    for &index in &mine {
        let first = a.citation(index..index + 1);
        match matched.get(&index) {
            Some(&at) if says_the_same(&a.sentences[index], &b.sentences[at]) => comparison.same += 1,
            Some(&at) => {
                let second = b.citation(at..at + 1);
                comparison.differences.push(Difference::Changed { first, second });
            }
            None => comparison.differences.push(Difference::OnlyFirst(first)),
        }
    }
    let alone = other.iter().filter(|at| !taken.contains(at));
    comparison.differences.extend(alone.map(|&at| Difference::OnlySecond(b.citation(at..at + 1))));
    Ok(comparison)
}

/// Sentences that say something, each stretch of the document once. The number of a page says nothing.
fn comparable(evidence: &Evidence) -> Vec<usize> {
    let mut end = 0;
    let mut kept = Vec::new();
    for (index, sentence) in evidence.sentences.iter().enumerate() {
        let start = evidence.passages[sentence.passage].span.start;
        let says_nothing =
            !evidence.text(index).chars().any(char::is_alphabetic) || is_page(evidence.text(index));
        if start + sentence.range.start < end || says_nothing {
            continue;
        }
        end = start + sentence.range.end;
        kept.push(index);
    }
    kept
}

/// `Page 3 of 12`
fn is_page(line: &str) -> bool {
    static PAGE: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)^\W*(?:page|seite|página|pagina)\s+\d+(?:\s*\D{1,4}\s*\d+)?\W*$"));
    PAGE.is_match(line)
}

/// What sentences are called by what stands before their colon, or by the heading that stands above no other.
fn labels(evidence: &Evidence, all: &[usize]) -> BTreeMap<usize, BTreeSet<String>> {
    let below = |heading: usize| {
        all.iter().filter(move |&&index| evidence.sentences[index].heading == Some(heading)).count()
    };
    let label = |index: usize| {
        let before = evidence.text(index).split_once(": ").map(|(label, _)| label);
        let before = before.filter(|label| tokens(label).len() <= LABEL);
        let heading = evidence.sentences[index].heading.filter(|&heading| below(heading) == 1);
        before
            .or(heading.map(|heading| evidence.text(heading)))
            .map(content_stems)
            .filter(|stems| !stems.is_empty())
    };
    all.iter().filter_map(|&index| Some((index, label(index)?))).collect()
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
