//! Documents that say different things at different times: the newest is preferred, unless the question is about a day.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use carrel_corpus::{Claim, Passage};
use regex::Regex;

use crate::evidence::{header_text, split};
use crate::facts::{Fact, Found, Unit, facts};
use crate::prompt::day;
use crate::words::content_stems;

/// Words behind which the day stands that a question is about.
const AS_OF: [&str; 7] = ["as of", "as at", "as on", "zum stand", "stand", "a fecha de", "à la date du"];

/// A question about the state of things on a day.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AsOf {
    /// The question without the day.
    pub asked: String,
    /// The last day that it covers, as `2024-03-31`; a month or a year is covered to its end.
    until: String,
}

/// Takes the day out of a question. `None` where it names none, or a day that `passages` speak of themselves: it is no matter of
/// versions then, but of what they say of that day.
pub(crate) fn as_of(question: &str, passages: &[Passage]) -> Option<AsOf> {
    let (found, begin) = facts(question).into_iter().find_map(|found| {
        let before = question[..found.range.start].trim_end();
        let lower = before.to_lowercase();
        let words = AS_OF.iter().find(|words| {
            lower.strip_suffix(*words).is_some_and(|rest| !rest.ends_with(char::is_alphanumeric))
        })?;
        let begin = (lower.len() == before.len()).then(|| before.len() - words.len())?;
        Some((found, begin))
    })?;
    let Fact::Date { year, month, day, .. } = dated(&found.fact)? else { return None };
    let is_same = |other: &Fact| match dated(other) {
        Some(Fact::Date { year: y, month: m, day: d, .. }) => {
            (year, month, day) == (y, if month == 0 { 0 } else { m }, if day == 0 { 0 } else { d })
        }
        _ => false,
    };
    // Any text may name a year; what is said of that year is about what is asked.
    let asked = content_stems(question);
    let says = |passage: &Passage| match month {
        0 => {
            statements(&asked, passage).iter().flat_map(|said| facts(said)).any(|found| is_same(&found.fact))
        }
        _ => facts(&passage.text).iter().any(|found| is_same(&found.fact)),
    };
    if passages.iter().any(says) {
        return None;
    }
    let or = |part: u8, last: u8| if part == 0 { last } else { part };
    let until = format!("{year:04}-{:02}-{:02}", or(month, 12), or(day, 31));
    let before = question[..begin].trim_end().trim_end_matches(',');
    let behind = &question[found.range.end..];
    let behind = if before.is_empty() { behind.trim_start_matches([',', ' ']) } else { behind };
    Some(AsOf { asked: format!("{before}{behind}").trim().to_owned(), until })
}

/// A date that has a year; a number can be one.
fn dated(fact: &Fact) -> Option<Fact> {
    match fact {
        Fact::Date { year, .. } if *year > 0 => Some(fact.clone()),
        Fact::Number { value, unit: Unit::Plain, .. }
            if value.fract() == 0.0 && (1800.0..2200.0).contains(value) =>
        {
            Some(Fact::Date { year: *value as u16, month: 0, day: 0, swapped: false })
        }
        _ => None,
    }
}

impl AsOf {
    /// Splits passages, in their order, into those to keep and those of documents dated after the day. All are kept where nothing
    /// would be left.
    pub fn split(&self, passages: &[Passage]) -> (Vec<Passage>, Vec<Passage>) {
        let is_later = |passage: &Passage| passage.date.is_some_and(|date| day(date) > self.until);
        if passages.iter().all(is_later) {
            return (passages.to_vec(), Vec::new());
        }
        passages.iter().cloned().partition(|passage| !is_later(passage))
    }
}

/// Share of the question's words that a sentence holds which is about it.
const ABOUT: f32 = 0.4;

/// Moves a passage before an older one whose answer to the question it says otherwise: a small model takes what it reads
/// first.
pub(crate) fn newer_first(question: &str, passages: &mut Vec<Passage>) {
    let asked = content_stems(question);
    for older in 0..passages.len() {
        let statements = statements(&asked, &passages[older]);
        let newest = (older + 1..passages.len())
            .filter(|&at| {
                let (held, other) = (&passages[older], &passages[at]);
                other.document != held.document && other.date > held.date && !other.hidden
            })
            .filter(|&at| {
                let (held, other) = (&passages[older], &passages[at]);
                statements.iter().any(|said| otherwise(held, said, other).is_some())
            })
            .max_by_key(|&at| passages[at].date);
        if let Some(newest) = newest {
            let newer = passages.remove(newest);
            passages.insert(older, newer);
        }
    }
}

/// The sentences of a passage with a figure that are about what is asked. What its title says, every one of them is about.
fn statements(asked: &BTreeSet<String>, passage: &Passage) -> Vec<String> {
    let title = content_stems(&header_text(passage));
    let beside: BTreeSet<&String> = asked.difference(&title).collect();
    let wanted = if beside.is_empty() { asked.iter().collect() } else { beside };
    let about = |stems: &BTreeSet<String>| {
        let held = wanted.iter().filter(|stem| stems.contains(**stem)).count();
        held > 0 && held as f32 >= ABOUT * wanted.len() as f32
    };
    let all = split(0, &passage.text).into_iter();
    all.filter(|sentence| sentence.citable && !sentence.facts.is_empty() && about(&sentence.stems))
        .map(|sentence| passage.text[sentence.range].to_owned())
        .collect()
}

/// The sentence of another document that says otherwise what `quote` of `held` says: with other figures of the same kinds, or as
/// a change of it.
pub(crate) fn otherwise(held: &Passage, quote: &str, other: &Passage) -> Option<String> {
    let related = are_of_one_matter(held, other);
    contradicting((held, quote), other, related).or_else(|| {
        let is_newer = match other.date.cmp(&held.date) {
            Ordering::Equal => return None,
            order => order.is_gt(),
        };
        // Most texts change nothing, and need not be taken apart.
        if !CHANGES.is_match(if is_newer { &other.text } else { quote }) {
            return None;
        }
        let is_change = |theirs: &str| match is_newer {
            true => is_changed(quote, theirs, related),
            false => is_changed(theirs, quote, related),
        };
        let sentences = split(0, &other.text).into_iter().filter(|sentence| sentence.citable);
        let mut theirs = sentences.map(|sentence| &other.text[sentence.range]);
        theirs.find(|theirs| is_change(theirs)).map(str::to_owned)
    })
}

/// What a newer document says otherwise of what is cited, and no claim says: its number and the place of the sentence.
pub(crate) fn changed_since(claims: &[Claim], passages: &[Passage]) -> Option<(usize, Range<usize>)> {
    let citations = || claims.iter().flat_map(|claim| &claim.citations);
    let uncited = |other: &Passage| citations().all(|citation| citation.document != other.document);
    let newer =
        citations().filter_map(|citation| Some((citation, passages.get(citation.number.checked_sub(1)?)?)));
    let found = newer.flat_map(|(citation, held)| {
        let others = passages.iter().enumerate();
        others.filter_map(move |(at, other)| {
            let is_newer = other.date > held.date && other.document != held.document && !other.hidden;
            let is_version = is_newer && are_of_one_matter(held, other);
            let sentence = is_version.then(|| otherwise(held, &citation.quote, other))??;
            let start = other.text.find(&sentence)?;
            Some((at, start..start + sentence.len()))
        })
    });
    let (at, range) =
        found.filter(|(at, _)| uncited(&passages[*at])).max_by_key(|(at, _)| passages[*at].date)?;
    Some((at + 1, range))
}

/// Whether a document left out for its date would have borne on the answer.
pub(crate) fn bears_on(claims: &[Claim], passages: &[Passage], other: &Passage) -> bool {
    let mut citations = claims.iter().flat_map(|claim| &claim.citations);
    citations.any(|citation| {
        let held = passages.get(citation.number.wrapping_sub(1));
        held.is_some_and(|held| {
            are_of_one_matter(held, other) || otherwise(held, &citation.quote, other).is_some()
        })
    })
}

/// How a later document changes what an earlier one says.
static CHANGES: LazyLock<Regex> = LazyLock::new(|| {
    let words = r"(?i)\b(?:instead\s+of|in\s+place\s+of|(?:is|are|was|were|shall\s+be|be|hereby)\s+(?:hereby\s+)?(?:replaced|amended|changed|increased|reduced|raised|extended|shortened|deleted|substituted)|no\s+longer|supersedes?|(?:an)?statt|anstelle|(?:wird|werden|ersetzt|geändert|gestrichen)\b[^.]*\b(?:ersetzt|geändert|erhöht|gesenkt|verlängert|gestrichen)|remplacée?s?\s+par|au\s+lieu\s+de|en\s+lugar\s+de|se\s+sustituye)\b";
    Regex::new(words).unwrap_or_else(|error| panic!("{error}"))
});
static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
    let words = r"(?i)(?:\b(?:clause|section|article|paragraph|klausel|ziffer|artikel|absatz|cláusula|artículo)|§)\s*(\d+(?:\.\d+)*)\b";
    Regex::new(words).unwrap_or_else(|error| panic!("{error}"))
});
/// The number that a clause begins with: `3.`, `3)`, `§ 3` or `3.2`, but not `3 months`.
static NUMBERED: LazyLock<Regex> = LazyLock::new(|| {
    let words = r"^[\s#*]*(?:§\s*(\d+(?:\.\d+)*)\.?|(\d{1,2})[.)]|(\d{1,2}(?:\.\d{1,2})+)\.?)\s+";
    Regex::new(words).unwrap_or_else(|error| panic!("{error}"))
});

/// The number of a clause, and where its words begin.
fn numbered(clause: &str) -> Option<(&str, usize)> {
    let captures = NUMBERED.captures(clause)?;
    let end = captures.get(0)?.end();
    // `2.5 litres of water` are no clause.
    let is_begun = clause[end..].starts_with(|c: char| !c.is_lowercase());
    let number = captures.iter().skip(1).flatten().next()?.as_str();
    is_begun.then_some((number, end))
}

/// Whether a later sentence changes what an earlier one says: it names its clause, or speaks of the same.
fn is_changed(earlier: &str, later: &str, related: bool) -> bool {
    if !CHANGES.is_match(later) {
        return false;
    }
    let named: Vec<&str> = CLAUSE
        .captures_iter(later)
        .filter_map(|captures| captures.get(1))
        .map(|number| number.as_str())
        .collect();
    match numbered(earlier) {
        Some((number, _)) if related && !named.is_empty() => named.contains(&number),
        _ => {
            let least = if related { LEAST_RELATED } else { LEAST_SHARED };
            matter(earlier).intersection(&matter(later)).count() >= least
        }
    }
}

/// Share of the words of the shorter of two names that the other must have for both to be called after one thing.
const SAME_NAME: f32 = 0.75;

/// Whether two documents are called after the same thing: a lease and its amendment, two versions of a manual.
fn are_of_one_matter(a: &Passage, b: &Passage) -> bool {
    let (a, b) = (matter(&header_text(a)), matter(&header_text(b)));
    let shared = a.intersection(&b).count();
    shared >= 2 && shared as f32 >= SAME_NAME * a.len().min(b.len()) as f32
}

/// The words of a text without its figures.
fn matter(text: &str) -> BTreeSet<String> {
    content_stems(text).into_iter().filter(|stem| !stem.bytes().any(|b| b.is_ascii_digit())).collect()
}

/// Share of the words of the shorter of two sentences that the other must have for both to be about the same thing.
const SAME_MATTER: f32 = 0.6;
/// The same of the longer one: all words of a row that has a country and a figure may stand in a sentence on something else.
const WHOLE_MATTER: f32 = 0.3;
/// Stems of what is counted and measured in: two terms of some months need not be of the same thing.
const UNITS: &str = "day week month year hour minut euro pound dollar percent cent tag woch monat jahr stund";
/// Words that both must have; fewer are enough where the documents are of one matter, or the sentences alike.
const LEAST_SHARED: usize = 3;
const LEAST_RELATED: usize = 2;

/// The sentence of `other` that says what `quote` of `held` says with other figures of the same kinds.
fn contradicting((held, quote): (&Passage, &str), other: &Passage, related: bool) -> Option<String> {
    let own = figured(quote, held);
    if own.is_empty() {
        return None;
    }
    let about = |text: &str| {
        let mut about = matter(text);
        about.retain(|stem| related || !UNITS.split(' ').any(|unit| unit == stem));
        about
    };
    let own_about = about(quote);
    let sentences = split(0, &other.text).into_iter().filter(|sentence| sentence.citable);
    sentences.map(|sentence| &other.text[sentence.range]).find_map(|sentence| {
        let theirs = about(sentence);
        let shared = own_about.intersection(&theirs).count();
        let (fewer, more) = (own_about.len().min(theirs.len()), own_about.len().max(theirs.len()));
        let of_longer = shared as f32 / more.max(1) as f32;
        let least = if related || of_longer >= SAME_MATTER { LEAST_RELATED } else { LEAST_SHARED };
        let alike =
            shared >= least && shared as f32 >= SAME_MATTER * fewer as f32 && of_longer >= WHOLE_MATTER;
        (alike && differ(&own, &figured(sentence, other))).then(|| sentence.to_owned())
    })
}

/// The figures of a sentence but for the number that it begins with and the day of its document: two leases begin alike.
fn figured(sentence: &str, of: &Passage) -> Vec<Found> {
    let begin = numbered(sentence).map_or(0, |(_, end)| end);
    let own_day = of.date.map(day);
    let is_own_day = |found: &Found| match &found.fact {
        Fact::Date { year, month, day, .. } => own_day == Some(format!("{year:04}-{month:02}-{day:02}")),
        Fact::Number { .. } => false,
    };
    facts(&sentence[begin..]).into_iter().filter(|found| !is_own_day(found)).collect()
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

    fn dated(old: &str, new: &str) -> Vec<Passage> {
        let (mut old, mut new) = (passage(1, "lease.txt", 0, old), passage(2, "amendment.txt", 0, new));
        (old.date, new.date) = (Some(MARCH_2022), Some(MARCH_2024));
        (old.title, new.title) =
            ("Lease of Mill Lane".to_owned(), "Amendment of the lease of Mill Lane".to_owned());
        vec![old, new]
    }

    fn leases() -> Vec<Passage> {
        dated(
            "The monthly rent for the premises is 900 euros.",
            "The monthly rent for the premises is 950 euros.",
        )
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
    fn an_amendment_is_read_before_the_clause_that_it_changes() {
        let lease =
            "2. The deposit is 900 euros.\n3. Either party may end this lease by three months' notice.";
        let change = "The period in clause 3 is six months instead of three.";
        let mut both = dated(lease, change);
        newer_first("What notice ends the lease of Mill Lane?", &mut both);
        assert_eq!(paths(&both), ["amendment.txt", "lease.txt"]);
        let mut other = dated(lease, change);
        newer_first("How high is the deposit?", &mut other);
        assert_eq!(paths(&other), ["lease.txt", "amendment.txt"], "another clause is not changed");
        let mut older = dated(change, lease);
        newer_first("What notice ends the lease of Mill Lane?", &mut older);
        assert_eq!(paths(&older)[0], "lease.txt", "an older document changes nothing");
    }

    #[test]
    fn what_is_dated_after_the_day_asked_about_is_left_out() {
        for question in ["How high was the rent as of 2023-05-01?", "As of May 2023, how high was the rent?"]
        {
            let as_of = as_of(question, &leases()).expect("a day");
            let (kept, later) = as_of.split(&leases());
            assert_eq!(
                (paths(&kept), paths(&later)),
                (vec!["lease.txt"], vec!["amendment.txt"]),
                "{question}"
            );
            assert!(as_of.asked.eq_ignore_ascii_case("how high was the rent?"), "{}", as_of.asked);
        }
        for question in ["What was the rent as of 2025?", "What was the rent as of 2019?"] {
            let as_of = as_of(question, &leases()).expect("a day");
            assert_eq!(as_of.split(&leases()).0.len(), 2, "{question}");
        }
        assert_eq!(as_of("How high is the rent?", &leases()), None);
        let stated = dated("Staff as of 31 March 2023: 40.", "Staff as of 31 March 2024: 50.");
        assert_eq!(
            as_of("How many staff were there as of March 31, 2023?", &stated),
            None,
            "they say it themselves"
        );
    }

    #[test]
    fn the_amended_lease_disagrees() {
        let said = |old: &str, new: &str, related: bool| {
            let both = dated(old, new);
            contradicting((&both[0], old), &both[1], related)
        };
        let old = "The monthly rent for the premises is 900 euros.";
        let new = "Preamble. The monthly rent for the premises is 950 euros. Signed.";
        let expected = Some("The monthly rent for the premises is 950 euros.");
        assert_eq!(said(old, new, false).as_deref(), expected);
        assert_eq!(said(old, "The monthly rent for the premises is 900 euros.", false), None);
        assert_eq!(said(old, "The garage has 3 doors.", false), None);
        let advice = "For 12 months after the end of this agreement the Consultant does not advise any other maker of tide \
                      gauges in the United Kingdom or Ireland.";
        assert_eq!(said(advice, "| United Kingdom and Ireland | 2,016 |", false), None);
        let short = "From 1 October 2024 the rent is £2,050 per month.";
        let long = "1. The rent is £1,840 per month, payable on the first day of each month.";
        assert_eq!(said(long, short, true).as_deref(), Some(short));
        assert!(said("Annual leave is 24 days.", "Annual leave is 26 days.", false).is_some());
        let handbook = "The notice period is one month in the first two years and three months after that.";
        let lease = "Either party may end this lease after the fifth year by giving the other at least six months' notice in writing.";
        assert_eq!(said(lease, handbook, false), None, "months and years are of anything");
        assert_eq!(said("3. The rent is due monthly.", "4. The rent is due monthly.", true), None);
        assert!(said("30 days' notice ends the lease.", "60 days' notice ends the lease.", true).is_some());
        let begins = |day: &str| format!("This lease is made on {day} between Anna Holm and Fenwick Ltd.");
        assert_eq!(said(&begins("1 March 2022"), &begins("1 March 2024"), true), None, "each is of its day");
    }
}
