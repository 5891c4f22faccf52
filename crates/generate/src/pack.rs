//! Chooses, among the passages that were found, what the model gets to see, and cuts it to the budget.
//!
//! Reading is what a question costs on a CPU: a thousand tokens are four to fifteen seconds. So the best
//! passages come whole, the others as their best sentences, and one document does not fill the prompt.

use std::collections::BTreeSet;

use carrel_corpus::{Embedder, Generator, Passage};

use crate::evidence::{Sentence, split, without_instructions};
use crate::planted::planted;
use crate::prompt::{Shown, fenced};
use crate::text::{Weights, dot};
use crate::versions::{newer_first, newest_of_versions};
use crate::words::content_stems;
use crate::{AnswerConfig, Error};

/// Passages in the order of their numbers, with what of each the model sees.
pub(crate) struct Packed {
    pub passages: Vec<Passage>,
    /// The text that is shown of each passage.
    pub shown: Vec<String>,
    /// Passages left out because they look planted for the question.
    pub planted: Vec<Passage>,
    /// Whether a sentence was left out because it looks like an instruction: index of its passage.
    pub instructed: Vec<usize>,
    /// Passages of other versions of a shown document, left out in its favour.
    pub versions: Vec<(usize, Passage)>,
}

impl Packed {
    pub fn shown(&self) -> Vec<Shown<'_>> {
        self.passages.iter().zip(&self.shown).map(|(passage, text)| Shown { passage, text }).collect()
    }
}

/// A passage is cut to sentences only where at least this many tokens are left for it.
const LEAST_TOKENS: usize = 60;

pub(crate) fn pack(
    question: &str,
    found: &[Passage],
    config: &AnswerConfig,
    generator: &dyn Generator,
    embedder: &dyn Embedder,
) -> Result<Packed, Error> {
    let (kept, planted) = planted(question, found);
    let (mut kept, versions) = newest_of_versions(kept);
    newer_first(question, &mut kept);
    // With a single document there are no others to be heard.
    let single = kept.iter().all(|passage| passage.document == kept[0].document);
    let cap = if single { config.passages } else { config.per_document };
    let mut per_document: Vec<(i64, usize)> = Vec::new();
    let kept: Vec<Passage> = kept
        .into_iter()
        .filter(|passage| {
            let document = passage.document.0;
            let at = per_document.iter().position(|(id, _)| *id == document).unwrap_or_else(|| {
                per_document.push((document, 0));
                per_document.len() - 1
            });
            per_document[at].1 += 1;
            per_document[at].1 <= cap
        })
        .take(config.passages)
        .collect();
    let merged = merge_neighbours(kept);
    let mut packed = Packed {
        passages: Vec::new(),
        shown: Vec::new(),
        planted,
        instructed: Vec::new(),
        versions: Vec::new(),
    };
    let mut left = config.passage_tokens;
    for passage in merged {
        let number = packed.passages.len() + 1;
        let sentences = split(0, &passage.text);
        let text = without_instructions(&passage.text, &sentences);
        let cost = |text: &str| generator.count_tokens(&fenced(number, &Shown { passage: &passage, text }));
        let whole = cost(&text);
        let shown = if whole <= left {
            Some(text.clone())
        } else if left >= LEAST_TOKENS {
            let best = Best { question, passage: &passage, sentences: &sentences, embedder };
            best.within(left, &cost)?
        } else {
            None
        };
        let Some(shown) = shown else { continue };
        left = left.saturating_sub(cost(&shown));
        if sentences.iter().any(|sentence| !sentence.citable) {
            packed.instructed.push(packed.passages.len());
        }
        packed.passages.push(passage);
        packed.shown.push(shown);
    }
    packed.versions = versions
        .into_iter()
        .filter_map(|(kept, other)| {
            packed.passages.iter().position(|p| p.document == kept).map(|index| (index, other))
        })
        .collect();
    Ok(packed)
}

struct Best<'a> {
    question: &'a str,
    passage: &'a Passage,
    sentences: &'a [Sentence],
    embedder: &'a dyn Embedder,
}

impl Best<'_> {
    /// The sentences that bear most on the question, in their order, within `budget` tokens.
    fn within(&self, budget: usize, cost: &dyn Fn(&str) -> usize) -> Result<Option<String>, Error> {
        let order = self.ranked()?;
        let mut chosen: BTreeSet<usize> = BTreeSet::new();
        for index in order {
            // A row says nothing without the names of its columns.
            let mut with = chosen.clone();
            with.extend(self.sentences[index].header.into_iter().chain([index]));
            if cost(&self.joined(&with)) <= budget {
                chosen = with;
            } else if chosen.len() >= 2 {
                break;
            }
        }
        Ok((!chosen.is_empty()).then(|| self.joined(&chosen)))
    }

    fn ranked(&self) -> Result<Vec<usize>, Error> {
        let asked = content_stems(self.question);
        let weights = Weights::of(self.sentences.iter().map(|sentence| &sentence.stems));
        let texts: Vec<&str> = self.sentences.iter().map(|s| &self.passage.text[s.range.clone()]).collect();
        let vectors = self.embedder.passages(&texts)?;
        let query = self.embedder.query(self.question)?;
        let own: Vec<f32> = self
            .sentences
            .iter()
            .zip(&vectors)
            .map(|(sentence, vector)| {
                let words = weights.coverage(asked.iter(), |stem| sentence.stems.contains(stem));
                words.unwrap_or(0.0) + dot(vector, &query).max(0.0)
            })
            .collect();
        // The sentence behind one that names the subject often says what was asked.
        let value = |index: usize| own[index] + 0.35 * index.checked_sub(1).map_or(0.0, |before| own[before]);
        let mut order: Vec<usize> = (0..own.len()).filter(|&index| self.sentences[index].citable).collect();
        order.sort_by(|&a, &b| value(b).total_cmp(&value(a)).then(a.cmp(&b)));
        Ok(order)
    }

    fn joined(&self, chosen: &BTreeSet<usize>) -> String {
        let mut text = String::new();
        let mut previous: Option<usize> = None;
        for &index in chosen {
            let range = self.sentences[index].range.clone();
            match previous {
                Some(before) if before + 1 == index => {
                    text.push_str(&self.passage.text[self.sentences[before].range.end..range.start]);
                }
                Some(_) => text.push_str(" … "),
                None => {}
            }
            text.push_str(&self.passage.text[range]);
            previous = Some(index);
        }
        text
    }
}

/// Joins passages of one document that touch or overlap, at the place of the better one.
fn merge_neighbours(passages: Vec<Passage>) -> Vec<Passage> {
    let mut merged: Vec<Passage> = Vec::new();
    for passage in passages {
        let touching = merged.iter_mut().find(|held| {
            held.document == passage.document
                && held.hidden == passage.hidden
                && held.span.start <= passage.span.end
                && passage.span.start <= held.span.end
        });
        match touching.and_then(|held| joined(held, &passage).map(|both| (held, both))) {
            Some((held, both)) => *held = both,
            None => merged.push(passage),
        }
    }
    merged
}

/// One passage made of two that touch; `None` where their texts do not fit together.
fn joined(held: &Passage, other: &Passage) -> Option<Passage> {
    let (first, second) = if held.span.start <= other.span.start { (held, other) } else { (other, held) };
    let mut both = held.clone();
    if second.span.end > first.span.end {
        let rest = second.text.get(first.span.end - second.span.start..)?;
        both.text = format!("{}{rest}", first.text);
        both.span.end = second.span.end;
    } else {
        both.text.clone_from(&first.text);
        both.span.end = first.span.end;
    }
    both.span.start = first.span.start;
    both.context.clone_from(&first.context);
    both.headings.clone_from(&first.headings);
    both.locator = first.locator.cover(&second.locator);
    both.similarity = [held.similarity, other.similarity].into_iter().flatten().reduce(f32::max);
    both.bm25 = [held.bm25, other.bm25].into_iter().flatten().reduce(f32::max);
    Some(both)
}
