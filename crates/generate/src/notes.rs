//! Remarks for the person who asked: what to be careful about in the sources of an answer.

use std::collections::BTreeSet;

use carrel_corpus::{Claim, Passage, Support};

use crate::pack::Packed;
use crate::prompt::day;
use crate::versions::otherwise;

pub(crate) const CITES_HIDDEN: &str = "The answer cites text that is not visible in its file.";

/// Everything worth remarking about an answer, in a fixed order.
pub(crate) fn notes(claims: &[Claim], packed: &Packed) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(disagreements(claims, packed));
    notes.extend(lone_source(claims, packed).filter(|_| notes.is_empty()));
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

/// Of documents that are dated after the day that was asked about.
pub(crate) fn left_out(later: &[Passage]) -> impl Iterator<Item = String> {
    let of = |document: &Passage| {
        let (name, dated) = (name(document), dated(document));
        format!("`{name}`{dated} is newer than the day that was asked about, and was left out.")
    };
    one_of_each(later).map(of)
}

/// The first passage of every document.
fn one_of_each(passages: &[Passage]) -> impl Iterator<Item = &Passage> {
    let mut seen = BTreeSet::new();
    passages.iter().filter(move |passage| seen.insert(passage.document.0))
}

fn name(passage: &Passage) -> &str {
    passage.path.rsplit('/').next().unwrap_or(&passage.path)
}

/// `lease.pdf (2022-03-04)`.
pub(crate) fn named_with_date(passage: &Passage) -> String {
    format!("{}{}", name(passage), dated(passage))
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
            if let Some(quote) = otherwise(held, &citation.quote, other) {
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
