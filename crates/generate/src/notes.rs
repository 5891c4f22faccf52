//! Remarks for the person who asked: what to be careful about in the sources of an answer.

use std::collections::BTreeSet;

use carrel_corpus::{Claim, Passage, Support};

use crate::evidence::split;
use crate::facts::{Fact, Found, Unit, facts};
use crate::pack::Packed;
use crate::prompt::day;

pub(crate) const CITES_HIDDEN: &str = "The answer cites text that is not visible in its file.";

/// Everything worth remarking about an answer, in a fixed order.
pub(crate) fn notes(claims: &[Claim], packed: &Packed) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(disagreements(claims, packed));
    notes.extend(lone_source(claims, packed));
    for (index, other) in &packed.versions {
        let held = &packed.passages[*index];
        notes.push(format!(
            "`{}`{} says the same in nearly the same words as `{}`{}.",
            name(other),
            dated(other),
            name(held),
            dated(held)
        ));
    }
    notes.extend(packed.instructed.iter().map(|&index| instructed(&packed.passages[index])));
    for document in one_of_each(&packed.later) {
        notes.push(format!(
            "`{}`{} is newer than the day that was asked about, and was left out.",
            name(document),
            dated(document)
        ));
    }
    if !packed.planted.is_empty() {
        let names: Vec<String> =
            packed.planted.iter().map(|passage| format!("`{}`", name(passage))).collect();
        notes.push(format!(
            "{} short texts that restate the question nearly alike were not used, because such sets can be planted: {}.",
            names.len(),
            names.join(", ")
        ));
    }
    if cited(claims).iter().any(|&number| packed.passages.get(number - 1).is_some_and(|p| p.hidden)) {
        notes.push(CITES_HIDDEN.to_owned());
    }
    notes.dedup();
    notes
}

/// Of a passage with text that was left out because it tells whoever answers what to do.
pub(crate) fn instructed(passage: &Passage) -> String {
    format!(
        "`{}` holds text that reads like an instruction to an assistant; it was not followed and is not used as evidence.",
        name(passage)
    )
}

fn cited(claims: &[Claim]) -> BTreeSet<usize> {
    claims.iter().flat_map(|claim| claim.citations.iter().map(|citation| citation.number)).collect()
}

/// The first passage of every document.
fn one_of_each(passages: &[Passage]) -> impl Iterator<Item = &Passage> {
    let mut seen = BTreeSet::new();
    passages.iter().filter(move |passage| seen.insert(passage.document.0))
}

fn name(passage: &Passage) -> &str {
    passage.path.rsplit('/').next().unwrap_or(&passage.path)
}

fn dated(passage: &Passage) -> String {
    passage.date.map_or(String::new(), |date| format!(" ({})", day(date)))
}

fn lone_source(claims: &[Claim], packed: &Packed) -> Option<String> {
    let documents: BTreeSet<i64> = cited(claims)
        .into_iter()
        .filter_map(|number| packed.passages.get(number - 1))
        .map(|passage| passage.document.0)
        .collect();
    let supported = claims.iter().any(|claim| claim.support == Support::Supported);
    let first = cited(claims).into_iter().next()?;
    (supported && documents.len() == 1).then(|| {
        let passage = &packed.passages[first - 1];
        format!("Only one document says this: `{}`{}.", name(passage), dated(passage))
    })
}

/// Cited sentences that another document says with another figure: the amended lease.
fn disagreements(claims: &[Claim], packed: &Packed) -> Vec<String> {
    let mut notes = Vec::new();
    let mut seen: BTreeSet<(i64, i64)> = BTreeSet::new();
    for citation in claims.iter().flat_map(|claim| &claim.citations) {
        let Some(held) = packed.passages.get(citation.number - 1) else { continue };
        for other in packed.passages.iter().filter(|other| other.document != held.document) {
            let pair = (held.document.0.min(other.document.0), held.document.0.max(other.document.0));
            if seen.contains(&pair) {
                continue;
            }
            if let Some(quote) = contradicting(&citation.quote, &other.text) {
                seen.insert(pair);
                notes.push(describe(held, &citation.quote, other, &quote));
            }
        }
    }
    notes
}

fn describe(held: &Passage, quote: &str, other: &Passage, other_quote: &str) -> String {
    let newer = match (held.date, other.date) {
        (Some(a), Some(b)) if a > b => format!(" The newer is `{}`.", name(held)),
        (Some(a), Some(b)) if a < b => format!(" The newer is `{}`.", name(other)),
        _ => String::new(),
    };
    format!(
        "Sources disagree: `{}`{} says “{}”, `{}`{} says “{}”.{newer}",
        name(held),
        dated(held),
        shortened(quote),
        name(other),
        dated(other),
        shortened(other_quote)
    )
}

fn shortened(quote: &str) -> String {
    let line = quote.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(160) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}

/// Share of the words of the shorter of two sentences that the other must have for both to be about the same thing.
const SAME_MATTER: f32 = 0.6;
/// The same of the longer one: all words of a row that has a country and a figure may stand in a sentence on something else.
const WHOLE_MATTER: f32 = 0.3;

/// The sentence of `text` that says what `quote` says with other figures of the same kinds.
pub(crate) fn contradicting(quote: &str, text: &str) -> Option<String> {
    let own = facts(quote);
    if own.is_empty() {
        return None;
    }
    let words = |text: &str| -> BTreeSet<String> {
        crate::words::content_stems(text)
            .into_iter()
            .filter(|s| !s.bytes().any(|b| b.is_ascii_digit()))
            .collect()
    };
    let matter = words(quote);
    split(0, text)
        .into_iter()
        .filter(|sentence| sentence.citable)
        .map(|sentence| (text[sentence.range.clone()].to_owned(), sentence.facts))
        .find(|(sentence, figures)| {
            let theirs = words(sentence);
            let shared = matter.intersection(&theirs).count() as f32;
            let (fewer, more) = (matter.len().min(theirs.len()), matter.len().max(theirs.len()));
            let alike =
                shared >= 3.0 && shared >= SAME_MATTER * fewer as f32 && shared >= WHOLE_MATTER * more as f32;
            alike && differ(&own, figures)
        })
        .map(|(sentence, _)| sentence)
}

/// Whether both hold figures of one kind and share none of that kind.
fn differ(a: &[Found], b: &[Found]) -> bool {
    let kinds = [0u8, 1, 2, 3];
    kinds.iter().any(|&wanted| {
        let of = |facts: &[Found]| -> Vec<Fact> {
            facts.iter().filter(|found| kind(&found.fact) == wanted).map(|found| found.fact.clone()).collect()
        };
        let (mine, theirs) = (of(a), of(b));
        !mine.is_empty() && !theirs.is_empty() && mine.iter().all(|fact| !theirs.contains(fact))
    })
}

fn kind(fact: &Fact) -> u8 {
    match fact {
        Fact::Date { .. } => 0,
        Fact::Number { unit: Unit::Percent, .. } => 1,
        Fact::Number { unit: Unit::Plain, .. } => 2,
        Fact::Number { .. } => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amended_lease_disagrees() {
        let old = "The monthly rent for the premises is 900 euros.";
        let new = "Preamble. The monthly rent for the premises is 950 euros. Signed.";
        assert_eq!(
            contradicting(old, new).as_deref(),
            Some("The monthly rent for the premises is 950 euros.")
        );
        assert_eq!(contradicting(old, "The monthly rent for the premises is 900 euros."), None);
        assert_eq!(contradicting(old, "The garage has 3 doors."), None);
        let advice = "For 12 months after the end of this agreement the Consultant does not advise any other maker of tide \
                      gauges in the United Kingdom or Ireland.";
        assert_eq!(contradicting(advice, "| United Kingdom and Ireland | 2,016 |"), None);
    }
}
