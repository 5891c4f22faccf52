//! Documents that say the same thing at different times: the newest is preferred, unless the question is about a day.

use std::collections::BTreeSet;

use carrel_corpus::Passage;

use crate::evidence::split;
use crate::facts::{Fact, facts};
use crate::notes::contradicting;
use crate::prompt::day;
use crate::words::content_stems;

/// Words behind which the day stands that a question is about.
const AS_OF: [&str; 7] = ["as of", "as at", "as on", "stand", "zum stand", "a fecha de", "à la date du"];

/// Splits passages, in their order, into those to keep and those of documents dated after the day that the question is
/// about. All are kept where no such day is named, or where nothing would be left.
pub(crate) fn as_of(question: &str, passages: Vec<Passage>) -> (Vec<Passage>, Vec<Passage>) {
    let Some(limit) = day_asked_about(question) else { return (passages, Vec::new()) };
    let is_later = |passage: &Passage| passage.date.is_some_and(|date| day(date) > limit);
    if passages.iter().all(is_later) {
        return (passages, Vec::new());
    }
    passages.into_iter().partition(|passage| !is_later(passage))
}

/// The last day that `as of …` covers, as `2024-03-31`; a month or a year is covered to its end.
fn day_asked_about(question: &str) -> Option<String> {
    facts(question).into_iter().find_map(|found| {
        let Fact::Date { year, month, day, .. } = found.fact else { return None };
        let before = question[..found.range.start].trim_end().to_lowercase();
        let asked = AS_OF.iter().any(|words| {
            before.strip_suffix(words).is_some_and(|rest| !rest.ends_with(char::is_alphanumeric))
        });
        let or = |part: u8, last: u8| if part == 0 { last } else { part };
        (asked && year > 0).then(|| format!("{year:04}-{:02}-{:02}", or(month, 12), or(day, 31)))
    })
}

/// Share of the question's words that a sentence holds which is about it.
const ABOUT: f32 = 0.4;

/// Moves a passage before an older one whose answer to the question it contradicts: a small model takes what it reads
/// first.
pub(crate) fn newer_first(question: &str, passages: &mut Vec<Passage>) {
    let asked = content_stems(question);
    for older in 0..passages.len() {
        let statements = statements(&asked, &passages[older].text);
        let newest = (older + 1..passages.len())
            .filter(|&at| {
                let (held, other) = (&passages[older], &passages[at]);
                other.document != held.document && other.date > held.date && !other.hidden
            })
            .filter(|&at| statements.iter().any(|said| contradicting(said, &passages[at].text).is_some()))
            .max_by_key(|&at| passages[at].date);
        if let Some(newest) = newest {
            let newer = passages.remove(newest);
            passages.insert(older, newer);
        }
    }
}

/// The sentences with a figure that are about what is asked.
fn statements(asked: &BTreeSet<String>, text: &str) -> Vec<String> {
    let about = |stems: &BTreeSet<String>| {
        asked.intersection(stems).count() as f32 >= ABOUT * asked.len() as f32 && !asked.is_empty()
    };
    let all = split(0, text).into_iter();
    all.filter(|sentence| sentence.citable && !sentence.facts.is_empty() && about(&sentence.stems))
        .map(|sentence| text[sentence.range].to_owned())
        .collect()
}

pub(crate) type Versions = Vec<(carrel_corpus::DocumentId, Passage)>;

/// Of passages that are nearly the same text in different documents, keeps the one of the newest.
pub(crate) fn newest_of_versions(passages: Vec<Passage>) -> (Vec<Passage>, Versions) {
    let mut kept: Vec<Passage> = Vec::new();
    let mut versions = Vec::new();
    let mut stems: Vec<BTreeSet<String>> = Vec::new();
    for mut passage in passages {
        let own = content_stems(&passage.text);
        let same = kept.iter().zip(&stems).position(|(held, held_stems)| {
            held.document != passage.document
                && own.len() >= 8
                && nearly_same(&own, held_stems)
                && figures(&held.text) == figures(&passage.text)
        });
        match same {
            Some(at) => {
                if passage.date > kept[at].date && !passage.hidden {
                    passage.score = kept[at].score;
                    std::mem::swap(&mut kept[at], &mut passage);
                    stems[at] = own;
                }
                versions.push((kept[at].document, passage));
            }
            None => {
                kept.push(passage);
                stems.push(own);
            }
        }
    }
    (kept, versions)
}

fn nearly_same(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let shared = a.intersection(b).count();
    shared * 10 >= (a.len() + b.len() - shared) * 9
}

/// Texts that differ in a figure differ in what they say, however alike they are.
fn figures(text: &str) -> BTreeSet<String> {
    content_stems(text).into_iter().filter(|stem| stem.bytes().any(|b| b.is_ascii_digit())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::passage;

    const MARCH_2022: i64 = 1_646_092_800;
    const MARCH_2024: i64 = 1_709_251_200;

    fn leases() -> Vec<Passage> {
        let mut old = passage(1, "lease.txt", 0, "The monthly rent for the premises is 900 euros.");
        let mut new = passage(2, "amendment.txt", 0, "The monthly rent for the premises is 950 euros.");
        (old.date, new.date) = (Some(MARCH_2022), Some(MARCH_2024));
        vec![old, new]
    }

    fn paths(passages: &[Passage]) -> Vec<&str> {
        passages.iter().map(|passage| passage.path.as_str()).collect()
    }

    #[test]
    fn the_newer_of_two_that_disagree_is_read_first() {
        let mut both = leases();
        newer_first("How high is the monthly rent?", &mut both);
        assert_eq!(paths(&both), ["amendment.txt", "lease.txt"]);
        let mut other = leases();
        newer_first("Who is the landlord?", &mut other);
        assert_eq!(paths(&other), ["lease.txt", "amendment.txt"], "about something else the order stays");
    }

    #[test]
    fn what_is_dated_after_the_day_asked_about_is_left_out() {
        for question in ["How high was the rent as of 2023-05-01?", "What was the rent as of May 2023?"] {
            let (kept, later) = as_of(question, leases());
            assert_eq!(
                (paths(&kept), paths(&later)),
                (vec!["lease.txt"], vec!["amendment.txt"]),
                "{question}"
            );
        }
        for question in
            ["How high is the rent?", "What was the rent as of 2025?", "What was the rent as of 2019?"]
        {
            assert_eq!(as_of(question, leases()).0.len(), 2, "{question}");
        }
    }
}
