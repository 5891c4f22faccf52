//! The day that a text gives itself where it begins: `Dated 4 March 2022`, `Hamburg, 12. März 2024`, `version 2, 2024-02-15`.
//!
//! What a file's metadata or the disk says of its time is the day of a scan, a copy or a conversion; which of two leases holds
//! stands in their text. A day that is not surely of the document itself is none.

use std::ops::Range;
use std::sync::LazyLock;

use carrel_corpus::MONTHS;
use regex::{Captures, Regex};

use super::dates::moment;

/// Bytes and lines of a text that its day can stand in.
const HEAD: usize = 1500;
const LINES: usize = 14;
/// Bytes of a line that is a title or a date line, and no sentence.
const SHORT: usize = 90;

/// The ways of writing a day, with the groups of its day, month and year; group 0 is a part that is not written.
static FORMS: LazyLock<Vec<(Regex, [usize; 3])>> = LazyLock::new(|| {
    let names: Vec<&str> = MONTHS.iter().map(|(name, _)| *name).collect();
    [
        (
            r"\b(\d{1,2})(?:st|nd|rd|th|er|\.)?\s+(?:day\s+of\s+|of\s+|de\s+)?(MONTH)\b\.?,?\s+(?:of\s+|de\s+|del\s+)?(\d{4})\b",
            [1, 2, 3],
        ),
        (r"\b(MONTH)\b\.?\s+(\d{1,2})(?:st|nd|rd|th)?\s*,?\s+(\d{4})\b", [2, 1, 3]),
        (r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b", [3, 2, 1]),
        (r"\b(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})\b", [1, 2, 3]),
        (r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b", [1, 2, 3]),
        (r"\b(MONTH)\b\.?,?\s+(?:of\s+|de\s+)?(\d{4})\b", [0, 1, 2]),
    ]
    .map(|(form, order)| (pattern(&form.replace("MONTH", &names.join("|"))), order))
    .into()
});

/// What stands before the day of the document itself.
static OWN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:dated?|datum|fecha|stand|fassung|version|revision|issued|approved|adopted|signed|published|released|updated|revised|modified|effective|(?:is|was|are)\s+made|made\s+(?:this|on|and|as)|entered\s+into|as\s+(?:of|at))\b[^.;\n]{0,48}$",
    )
});
/// What stands before any other day: of a birth, a term, or of another document that is named.
static OTHER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:birth|born|geb|geboren\w*|nacimiento|naissance|due|expir\w*|valid|until|till|bis|deadline|next|begin\w*|start\w*|ends?|ending|period|from|through|since|seit|ab|deliver\w*|admi\w*|discharg\w*|replac\w*|supersed\w*|ersetzt)\b[^.;]{0,30}$|(?:\b(?:amend\w*|supplement\w*|addendum|annex|nachtrag|reply|re|your|ihr\w*|under|to|zum|zur)\b[^.,;]{0,60}\b(?:dated|of|from|vom|du|de)\s*)$|[–-]\s*$",
    )
});

/// From when on what is written holds.
static HOLDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:in\s+force|effective|valid|applies|gilt|gültig)\s+(?:from|since|as\s+of|ab|seit)\s*$")
});
/// A day in the name of a file.
static IN_NAME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^0-9])((?:19|20)\d{2})[-_.]?(\d{2})[-_.]?(\d{2})(?:[^0-9]|$)"));

fn pattern(source: &str) -> Regex {
    // The sources are the literals of this module.
    Regex::new(&format!("(?i){source}")).unwrap_or_else(|error| panic!("{error}"))
}

/// The first day that the beginning of `text` gives the document itself, as seconds since the Unix epoch.
pub(super) fn stated(text: &str) -> Option<i64> {
    let head = &text[..text.floor_char_boundary(HEAD)];
    let mut lines = head.lines().filter(|line| !line.trim().is_empty()).take(LINES);
    lines.find_map(|line| {
        let found = days(line).into_iter().find(|(range, _)| is_own(line, range));
        found.map(|(_, day)| day)
    })
}

/// The day that a file is named after: `2024-05-14 minutes.docx`.
pub(super) fn named(name: &str) -> Option<i64> {
    let captures = IN_NAME.captures(name)?;
    let number = |group: usize| captures.get(group)?.as_str().parse::<i64>().ok();
    moment([number(1)?, number(2)?, number(3)?], [0; 3], 0)
}

/// The days of a line, in order.
fn days(line: &str) -> Vec<(Range<usize>, i64)> {
    let mut found: Vec<(Range<usize>, i64)> = Vec::new();
    for (form, order) in FORMS.iter() {
        for captures in form.captures_iter(line) {
            let Some((whole, day)) = captures.get(0).zip(day(&captures, *order)) else { continue };
            if found.iter().all(|(range, _)| whole.end() <= range.start || range.end <= whole.start()) {
                found.push((whole.range(), day));
            }
        }
    }
    found.sort_by_key(|(range, _)| range.start);
    found
}

fn day(captures: &Captures, [day, month, year]: [usize; 3]) -> Option<i64> {
    let number = |group: usize| captures.get(group)?.as_str().parse::<i64>().ok();
    let named = |group: usize| {
        let name = captures.get(group)?.as_str().to_lowercase();
        MONTHS.iter().find(|(known, _)| *known == name).map(|(_, number)| i64::from(*number))
    };
    let first = if day == 0 { 1 } else { number(day)? };
    let second = number(month).or_else(|| named(month))?;
    let is_slashed = captures.get(0)?.as_str().contains('/');
    // Who writes `3/4/2024` knows which is the month; nobody else does.
    if is_slashed && first <= 12 && second <= 12 && first != second {
        return None;
    }
    let (first, second) = if second > 12 { (second, first) } else { (first, second) };
    let year = number(year).filter(|year| (1800..2200).contains(year))?;
    moment([year, second, first], [0; 3], 0)
}

/// Whether the day at `range` is the one of the document: it says so, or ends a title or a line with nothing but a place.
fn is_own(line: &str, range: &Range<usize>) -> bool {
    let before = &line[..range.start];
    if HOLDS.is_match(before) {
        return true;
    }
    if OTHER.is_match(before) {
        return false;
    }
    if OWN.is_match(before) {
        return true;
    }
    let behind = line[range.end..].trim_matches([')', ']', '*', '_', '|', '.', ' ']);
    // A label says what its day is of.
    let is_labelled = before.trim_end().ends_with([':', ';', '|']);
    let is_item = before.trim_start().starts_with(['-', '•', '*']);
    line.len() <= SHORT && behind.is_empty() && !is_labelled && !is_item && !before.contains(". ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::dates::iso;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(stated(text), expected.and_then(iso), "{text}");
    }

    #[test]
    fn a_text_says_of_which_day_it_is() {
        check(
            "# Lease of Unit 12\n\nDated 4 March 2022, between Calder Ltd and Fenwick Ltd.",
            Some("2022-03-04"),
        );
        check("Staff handbook, version 2, 15 February 2024\n\nAnnual leave is 26 days.", Some("2024-02-15"));
        check(
            "Anna Holm\nMill Lane 4\n\nHamburg, den 12. März 2024\n\nSehr geehrte Frau Lund,",
            Some("2024-03-12"),
        );
        check(
            "THIS AGREEMENT is made and entered into as of March 4, 2022 by and between",
            Some("2022-03-04"),
        );
        check(
            "Sepsis protocol\nVersion 4, approved by the committee on 6 May 2025. Review due May 2027.",
            Some("2025-05-06"),
        );
        check("Minutes of the board meeting, 2025-07-09\nPresent: all", Some("2025-07-09"));
        check("# Tidewater: project meeting, 14 May 2024\n\nOn the call: all", Some("2024-05-14"));
        check(
            "# Travel policy\n\nVersion 4, in force from 1 January 2024. Owner: Priya Nair.",
            Some("2024-01-01"),
        );
        check("Date: 13/04/2024\nInvoice", Some("2024-04-13"));
    }

    #[test]
    fn a_file_may_be_named_after_its_day() {
        assert_eq!(named("2024-05-14 minutes.docx"), iso("2024-05-14"));
        assert_eq!(named("scan_20240514.pdf"), iso("2024-05-14"));
        for other in ["lease-2024.pdf", "9781234567897.epub", "20241399.txt"] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn another_day_is_not_taken_for_it() {
        for other in [
            "Discharge letter\nDate of birth: 3 April 1952",
            "The pump tripped on 11 June 2025. It was started again on 12 June 2025.",
            "First amendment to the lease dated 4 March 2022",
            "Thank you for your letter of 3 May 2024.",
            "Offer\nValid until 1 May 2024",
            "Annual review due 3 May 2024",
            "Date: 03/04/2024",
            "Report for 1 January 2024 - 31 March 2024",
        ] {
            check(other, None);
        }
        check(
            "First amendment to the lease dated 4 March 2022\n\nDated 9 September 2024",
            Some("2024-09-09"),
        );
    }
}
