//! Sets of short texts planted so that a question finds them (Zou et al., "PoisonedRAG", USENIX Security 2025).
//!
//! One false document cannot be told from a true one by reading it. But to outweigh the true one, several are
//! planted, and each must both win the search (restate the question) and say the answer, in a few lines: several
//! short files by nobody in particular that all restate one question. Such a set speaks with one voice at
//! most, and with none where another document speaks to the question.

use std::collections::BTreeSet;

use carrel_corpus::Passage;

use crate::words::content_stems;

/// A text longer than this says more than one thing.
const SHORT_WORDS: usize = 60;
/// Share of the question's words that a planted text restates.
const RESTATES: f32 = 0.5;
/// How alike the members of a set are: shared stems over the smaller one's.
const ALIKE: f32 = 0.3;
/// Fewer than this may be chance.
const SET: usize = 3;

/// Splits passages, in their order, into those to keep and those that look planted.
pub(crate) fn planted(question: &str, passages: &[Passage]) -> (Vec<Passage>, Vec<Passage>) {
    let asked = content_stems(question);
    let stems: Vec<BTreeSet<String>> = passages.iter().map(|p| content_stems(&p.text)).collect();
    let restating: Vec<usize> = (0..passages.len())
        .filter(|&index| passages[index].span.start == 0 && !asked.is_empty())
        .filter(|&index| passages[index].headings.is_empty())
        .filter(|&index| passages[index].text.split_whitespace().count() <= SHORT_WORDS)
        .filter(|&index| share(&asked, &stems[index]) >= RESTATES)
        .collect();
    let set = largest_set(&restating, passages, &stems);
    if set.len() < SET {
        return (passages.to_vec(), Vec::new());
    }
    let other_speaks = (0..passages.len()).any(|index| {
        !set.contains(&index) && !passages[index].hidden && share(&asked, &stems[index]) >= RESTATES * 0.5
    });
    let spared = if other_speaks { None } else { set.first().copied() };
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    for (index, passage) in passages.iter().enumerate() {
        if set.contains(&index) && spared != Some(index) {
            removed.push(passage.clone());
        } else {
            kept.push(passage.clone());
        }
    }
    (kept, removed)
}

fn share(wanted: &BTreeSet<String>, held: &BTreeSet<String>) -> f32 {
    wanted.intersection(held).count() as f32 / wanted.len().max(1) as f32
}

/// The largest group of texts of different documents, each like some other of the group.
fn largest_set(among: &[usize], passages: &[Passage], stems: &[BTreeSet<String>]) -> Vec<usize> {
    let alike = |a: usize, b: usize| {
        let shared = stems[a].intersection(&stems[b]).count() as f32;
        let smaller = stems[a].len().min(stems[b].len()) as f32;
        passages[a].document != passages[b].document && shared >= ALIKE * smaller
    };
    let mut best: Vec<usize> = Vec::new();
    let mut left: BTreeSet<usize> = among.iter().copied().collect();
    while let Some(first) = left.pop_first() {
        let mut set = vec![first];
        let mut at = 0;
        while let Some(&member) = set.get(at) {
            let near: Vec<usize> = left.iter().copied().filter(|&other| alike(member, other)).collect();
            for other in near {
                left.remove(&other);
                set.push(other);
            }
            at += 1;
        }
        if set.len() > best.len() {
            set.sort_unstable();
            best = set;
        }
    }
    best
}
