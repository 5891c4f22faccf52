//! The parts of a sentence that must be right to the letter: numbers, dates, amounts and names.
//!
//! A small model that paraphrases well still writes `2023` for `2024`. These are compared exactly, after
//! bringing `March 1, 2024`, `1.3.2024` and `2024-03-01` to one form.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use carrel_corpus::MONTHS;
use regex::Regex;

use crate::text::{NUMBER_WORDS, between, tokens};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    Number {
        value: f64,
        unit: Unit,
        /// Written as a word below thirteen, which may be counted rather than quoted.
        small_word: bool,
    },
    /// Parts that are not stated are 0. `swapped` is the other reading of `3/4/2024`.
    Date { year: u16, month: u8, day: u8, swapped: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Plain,
    Percent,
    Dollar,
    Euro,
    Pound,
    Yen,
}

impl Unit {
    pub fn is_currency(self) -> bool {
        !matches!(self, Unit::Plain | Unit::Percent)
    }
}

pub(crate) fn is_date(fact: &Fact) -> bool {
    matches!(fact, Fact::Date { .. })
}

/// A fact with its place in the text it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub fact: Fact,
    pub range: Range<usize>,
}

impl Found {
    /// Whether a word of the same text is part of it.
    pub fn holds(&self, word: &Range<usize>) -> bool {
        self.range.start <= word.start && word.end <= self.range.end
    }
}

fn month_names() -> String {
    let mut names: Vec<&str> = MONTHS.iter().map(|(name, _)| *name).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.join("|")
}

fn pattern(source: &str) -> Regex {
    // The sources are the literals of this module.
    Regex::new(&source.replace("MONTH", &month_names())).unwrap_or_else(|error| panic!("{error}"))
}

static MONTH_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(MONTH)\b\.?\s+(\d{1,2})(?:st|nd|rd|th)?\b(?:\s*,?\s*(?:of\s+)?(\d{4})\b)?")
});
static DAY_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(\d{1,2})(?:st|nd|rd|th|\.)?\s+(?:day\s+of\s+|of\s+|de\s+)?(MONTH)\b\.?(?:\s*,?\s*(?:de\s+)?(\d{4})\b)?",
    )
});
static MONTH_YEAR: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(MONTH)\b\.?,?\s+(?:of\s+|de\s+)?(\d{4})\b"));
static ISO: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\b"));
static NUMERIC: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4}|\d{2})\b"));
static CHINESE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(\d{4})\s*年(?:\s*(\d{1,2})\s*月)?(?:\s*(\d{1,2})\s*[日号])?"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)([$€£¥]\s?)?(\d+(?:[.,'\u{a0}]\d+)*)(?:st|nd|rd|th)?(?:\s?(million|billion|trillion|thousand|hundred|mio|mrd|bn|m|k)\b)?(\s?(?:%|percent\b|per\s?cent\b|prozent\b)|\s?[$€£¥])?",
    )
});

/// Every number and date of `text`, in order.
pub(crate) fn facts(text: &str) -> Vec<Found> {
    let mut found = dates(text);
    let taken: Vec<Range<usize>> = found.iter().map(|date| date.range.clone()).collect();
    let free = |range: &Range<usize>| !taken.iter().any(|t| t.start < range.end && range.start < t.end);
    for captures in NUMBER.captures_iter(text) {
        let (Some(whole), Some(digits)) = (captures.get(0), captures.get(2)) else { continue };
        if !free(&digits.range()) || inside_word(text, digits.start()) {
            continue;
        }
        let Some(value) = parse_number(digits.as_str()) else { continue };
        let scale = captures.get(3).map_or(1.0, |word| scale(word.as_str()));
        let mark = captures.get(1).or(captures.get(4)).map_or("", |mark| mark.as_str().trim());
        let fact = Fact::Number { value: value * scale, unit: unit(mark), small_word: false };
        found.push(Found { fact, range: whole.range() });
    }
    found.extend(number_words(text).into_iter().filter(|word| free(&word.range)));
    found.sort_by_key(|fact| fact.range.start);
    found
}

/// Whether the digits at `at` continue a word, as in `Q4` or `B2`: those are compared as names.
fn inside_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(char::is_alphabetic)
}

fn unit(mark: &str) -> Unit {
    match mark.chars().next() {
        Some('$') => Unit::Dollar,
        Some('€') => Unit::Euro,
        Some('£') => Unit::Pound,
        Some('¥') => Unit::Yen,
        Some(_) => Unit::Percent,
        None => Unit::Plain,
    }
}

fn scale(word: &str) -> f64 {
    match word.to_lowercase().as_str() {
        "hundred" => 1e2,
        "thousand" | "k" => 1e3,
        "million" | "mio" | "m" => 1e6,
        "billion" | "mrd" | "bn" => 1e9,
        "trillion" => 1e12,
        _ => 1.0,
    }
}

/// Reads `1,234.56`, `1.234,56`, `1'234` and `1234.5`: the last separator is a decimal point unless three
/// digits follow it or it occurs twice.
fn parse_number(digits: &str) -> Option<f64> {
    let last = digits.rfind(['.', ',']);
    let decimal = last.filter(|&at| {
        let separator = digits.as_bytes()[at];
        let others = digits[..at].bytes().filter(|b| *b == separator).count();
        let mixed = digits[..at].contains(['.', ',']) && others == 0;
        others == 0 && (mixed || digits.len() - at != 4 || separator == b'.' && digits.starts_with('0'))
    });
    let plain: String = digits
        .char_indices()
        .filter_map(|(at, c)| match c {
            '0'..='9' => Some(c),
            _ if Some(at) == decimal => Some('.'),
            _ => None,
        })
        .collect();
    plain.parse().ok()
}

fn number_words(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut open = false;
    for token in tokens(text) {
        let word = text[token.range.clone()].to_lowercase();
        let Some((_, number)) = NUMBER_WORDS.iter().find(|(name, _)| *name == word) else {
            open = false;
            continue;
        };
        let number = *number as f64;
        // `Twenty five` is a number, `first five` is not.
        let joins = |value: f64| number >= 100.0 || value >= 20.0 && number < value;
        if open
            && let Some(last) = found.last_mut()
            && let Fact::Number { value, small_word, .. } = &mut last.fact
            && joins(*value)
        {
            *value = if number >= 100.0 { *value * number } else { *value + number };
            *small_word = false;
            last.range.end = token.range.end;
        } else if number < 1e3 {
            let fact = Fact::Number { value: number, unit: Unit::Plain, small_word: number < 13.0 };
            found.push(Found { fact, range: token.range });
        }
        open = true;
    }
    found
}

fn dates(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let number = |captures: &regex::Captures, at: usize| -> u16 {
        captures.get(at).and_then(|part| part.as_str().parse().ok()).unwrap_or(0)
    };
    let month = |captures: &regex::Captures, at: usize| -> u16 {
        let name = captures.get(at).map_or("", |part| part.as_str()).to_lowercase();
        MONTHS.iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| u16::from(*number))
    };
    let mut add = |captures: &regex::Captures, year: u16, month: u16, day: u16, swapped: bool| {
        let Some(range) = captures.get(0).map(|whole| whole.range()) else { return };
        let clash = found.iter().any(|date| date.range.start < range.end && range.start < date.range.end);
        if !clash && month <= 12 && day <= 31 && (month > 0 || year > 0) {
            let (month, day) = (month as u8, day as u8);
            found.push(Found { fact: Fact::Date { year, month, day, swapped }, range });
        }
    };
    for c in ISO.captures_iter(text) {
        add(&c, number(&c, 1), number(&c, 2), number(&c, 3), false);
    }
    for c in NUMERIC.captures_iter(text) {
        let year = match number(&c, 4) {
            short @ 0..=99 if c.get(4).is_some_and(|y| y.len() == 2) => {
                short + if short < 70 { 2000 } else { 1900 }
            }
            year => year,
        };
        let (a, b) = (number(&c, 1), number(&c, 3));
        let day_first = c.get(2).is_some_and(|separator| separator.as_str() == ".") || a > 12;
        let (month, day) = if day_first { (b, a) } else { (a, b) };
        add(&c, year, month, day, a <= 12 && b <= 12);
    }
    for c in CHINESE.captures_iter(text) {
        add(&c, number(&c, 1), number(&c, 2), number(&c, 3), false);
    }
    for c in MONTH_FIRST.captures_iter(text) {
        add(&c, number(&c, 3), month(&c, 1), number(&c, 2), false);
    }
    for c in DAY_FIRST.captures_iter(text) {
        add(&c, number(&c, 3), month(&c, 2), number(&c, 1), false);
    }
    for c in MONTH_YEAR.captures_iter(text) {
        add(&c, number(&c, 2), month(&c, 1), 0, false);
    }
    found
}

/// Whether one of `evidence` states `claim`, or states it more exactly.
pub(crate) fn stated(claim: &Fact, evidence: &[Found]) -> bool {
    match claim {
        Fact::Number { value, unit, small_word } => evidence.iter().any(|found| match &found.fact {
            Fact::Number { value: held, unit: measure, .. } => {
                // Nobody writes `eight` for `8%`.
                let plain = *unit == Unit::Plain && !(*small_word && *measure == Unit::Percent);
                same_number(*value, *held) && (unit == measure || plain || *measure == Unit::Plain)
            }
            Fact::Date { year, day, .. } => {
                *unit == Unit::Plain && (*value == f64::from(*year) || *value == f64::from(*day))
            }
        }),
        Fact::Date { year, month, day, swapped } => {
            let same = |a: u16, b: u16| a == 0 || a == b;
            let whole = evidence.iter().any(|found| match &found.fact {
                Fact::Date { year: y, month: m, day: d, swapped: other } => {
                    let straight = same(*month as u16, *m as u16) && same(*day as u16, *d as u16);
                    let crossed = (*swapped || *other) && month == d && day == m;
                    same(*year, *y) && (straight || crossed)
                }
                Fact::Number { value, .. } => *month == 0 && *value == f64::from(*year),
            });
            whole || (*year > 0 && *month > 0 && year_apart(*year, *month, *day, evidence))
        }
    }
}

/// A date whose day and month stand in one place and whose year in another.
fn year_apart(year: u16, month: u8, day: u8, evidence: &[Found]) -> bool {
    let yearless = Fact::Date { year: 0, month, day, swapped: false };
    let only_yearless: Vec<Found> =
        evidence.iter().filter(|found| matches!(found.fact, Fact::Date { year: 0, .. })).cloned().collect();
    let year = Fact::Number { value: f64::from(year), unit: Unit::Plain, small_word: false };
    stated(&yearless, &only_yearless) && stated(&year, evidence)
}

fn same_number(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Stems of the words of `text` that look like names: capitalised inside a sentence, or holding a digit or
/// an inner capital. The first word of a sentence counts only if `known_name` says so.
pub(crate) fn names(text: &str, known_name: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut first = true;
    let mut found = BTreeSet::new();
    let mut end = 0;
    for token in tokens(text) {
        first |= between(text, end, token.range.start)
            .contains(['.', '!', '?', ':', '\n', '"', '“', '|', '•', ';']);
        end = token.range.end;
        let word = &text[token.range.clone()];
        let inner = word.chars().skip(1).any(char::is_uppercase);
        let coded = word.chars().any(char::is_alphabetic) && word.chars().any(|c| c.is_ascii_digit());
        let named = token.capital && (!first || inner || known_name(&token.stem)) || coded;
        if named && token.content && !is_calendar(&token.stem) && !is_ordinal(word) {
            found.insert(token.stem);
        }
        first = false;
    }
    found
}

fn is_calendar(stem: &str) -> bool {
    MONTHS.iter().any(|(name, _)| crate::text::stem(name) == stem)
}

fn is_ordinal(word: &str) -> bool {
    let digits = word.trim_end_matches(char::is_alphabetic);
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b',')
        && word.len() - digits.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(claim: &str, evidence: &str, expected: bool) {
        let evidence_facts = facts(evidence);
        let all = facts(claim).iter().all(|found| stated(&found.fact, &evidence_facts));
        assert_eq!(all, expected, "{claim:?} in {evidence:?}: {:?} {evidence_facts:?}", facts(claim));
    }

    #[test]
    fn dates_are_equal_however_they_are_written() {
        check("March 1, 2024", "signed 2024-03-01", true);
        check("2024-03-01", "on the 1st day of March, 2024", true);
        check("01.03.2024", "am 1. März 2024", true);
        check("3/1/2024", "2024年3月1日", true);
        check("March 2024", "March 1, 2024", true);
        check("2024", "March 1, 2024", true);
        check("March 1, 2024", "March 1. All dates are in 2024.", true);
        check("March 1, 2024", "March 1, 2023", false);
        check("March 2, 2024", "March 1, 2024", false);
        check("March 1, 2024", "March 1, 2023; the year 2024", false);
    }

    #[test]
    fn amounts_are_equal_however_they_are_written() {
        check("$1,200", "rent of 1200.00 dollars", true);
        check("1.234,56 €", "EUR 1,234.56", true);
        check("5 million", "5,000,000", true);
        check("$2.5 billion", "$2,500,000,000", true);
        check("twenty-three", "23 episodes", true);
        check("5%", "5 percent", true);
        check("8", "8%", true);
        check("eight", "8%", false);
        check("eight", "8 libraries", true);
        check("$5", "€5", false);
        check("5%", "$5", false);
        check("24 episodes", "23 episodes", false);
        check("0.125", "0.125 mg", true);
    }

    #[test]
    fn names_stand_inside_sentences() {
        let found = names("The rent goes to Acme Holdings. Nobody pays Q4 to IBM.", |_| false);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["acm", "hold", "ibm", "q4"]);
        assert!(names("供应商每月交付六十台仪表", |_| false).is_empty());
    }
}
