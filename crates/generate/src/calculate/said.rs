//! What a question says of a table: the texts of cells, and numbers to compare them with.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::query::{folded, holds};
use super::sheet::{Kind, Sheet, is_blank, is_stretch, spaced};
use crate::facts::{Fact, facts, is_date};
use crate::tasks::pattern;
use crate::text::{Token, is_negation, tokens};
use crate::words::content_stems;

/// Words in a row that a question says of a cell at most, and such texts of a column.
const RUN: usize = 6;
const SAID: usize = 8;
/// Digits of a number that tells something of a text by itself.
const YEAR: usize = 4;

/// What is counted.
pub(crate) static COUNTED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:how\s+many|number\s+of|wie\s+viele|cuánt[oa]s|combien\s+d['e])\s*(?:of\s+(?:the|these|those|our|all)\s+)?(?:different\s+|distinct\s+|verschiedene\s+)?(?P<what>\w+)",
    )
});
/// What asks how far two numbers are apart.
static APART: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\bdifference\b|\b(?:many|much)\s+(?:more|less|fewer|higher|lower|longer|larger|older)\b|\bunterschied\b|\bdifferenz\b|\bum\s+wie\s?viel\b|\bdiferencia\b|\bdifférence\b",
    )
});

/// What a query over a table may require because the question says it.
pub(crate) struct Said {
    /// Of each column of texts or dates, the longest runs of words that a cell holds.
    pub texts: Vec<Vec<String>>,
    /// Numbers as a query writes them, and none where something is denied.
    pub numbers: Vec<String>,
    /// Of each column whether some of its cells are empty and the question speaks of it, or of what it is not.
    pub empty: Vec<bool>,
    /// Whether it denies something, as `unpaid` does of a column `paid`.
    pub denies: bool,
    /// Whether it asks how far two numbers are apart.
    pub apart: bool,
}

impl Said {
    pub fn of(sheet: &Sheet, question: &str) -> Said {
        let stems = content_stems(question);
        let un = |label: &String| stems.contains(&format!("un{label}"));
        let labels: Vec<BTreeSet<String>> =
            sheet.columns.iter().map(|column| content_stems(&spaced(column.label))).collect();
        let speaks =
            |labels: &BTreeSet<String>| labels.iter().any(|label| stems.contains(label) || un(label));
        let has_empty = |column: usize| sheet.rows.iter().any(|row| is_blank(row.cells[column]));
        let empty =
            labels.iter().enumerate().map(|(column, labels)| speaks(labels) && has_empty(column)).collect();
        let is_denial = |token: &Token| is_negation(&question[token.range.clone()].to_lowercase());
        let denies = tokens(question).iter().any(is_denial);
        Said {
            texts: texts(sheet, question),
            numbers: numbers(question, denies),
            empty,
            denies: denies || labels.iter().flatten().any(un),
            apart: APART.is_match(question),
        }
    }
}

fn texts(sheet: &Sheet, question: &str) -> Vec<Vec<String>> {
    let words = tokens(question);
    let is_quotable = |text: &str| !text.contains(['\'', '"', '\\', '\n']);
    let counts = |text: &str| text.chars().all(|c| c.is_ascii_digit()) && text.len() < YEAR;
    let counted = COUNTED.captures(question).map(|parts| content_stems(&parts["what"]));
    let mut runs: Vec<(Range<usize>, &str)> = Vec::new();
    for length in (1..=RUN.min(words.len())).rev() {
        for run in words.windows(length) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let range = first.range.start..last.range.end;
            let text = &question[range.clone()];
            // Runs that begin or end with an article or the like say no more than without it.
            let tells = first.content && last.content && !is_negation(&text.to_lowercase()) && !counts(text);
            if tells && is_quotable(text) {
                runs.push((range, text));
            }
        }
    }
    let texts: Vec<usize> =
        (0..sheet.columns.len()).filter(|&at| sheet.columns[at].kind != Kind::Number).collect();
    let cells: Vec<BTreeSet<String>> = texts
        .iter()
        .map(|&column| sheet.rows.iter().map(|row| folded(row.cells[column])).collect())
        .collect();
    let mut said = vec![Vec::new(); sheet.columns.len()];
    let mut known: Vec<Range<usize>> = Vec::new();
    for (range, text) in runs {
        if known.iter().any(|known| known.start <= range.start && range.end <= known.end && *known != range) {
            continue;
        }
        let year = text.chars().all(|c| c.is_ascii_digit());
        let words = folded(text);
        let stems = content_stems(text);
        // What is counted, and what a column is called, chooses none of its cells.
        let names = |column: usize| {
            counted.as_ref() == Some(&stems) || content_stems(&spaced(sheet.columns[column].label)) == stems
        };
        for (&column, cells) in texts.iter().zip(&cells) {
            let stretches = || year && sheet.rows.iter().any(|row| is_stretch(row.cells[column]));
            let holding = cells.iter().filter(|cell| holds(cell, &words)).count();
            // What each cell says tells none from another.
            let tells = holding > 0 && (holding < cells.len() || holding == 1);
            if tells && said[column].len() < SAID && !stretches() && !names(column) {
                said[column].push(text.to_owned());
                known.push(range.clone());
            }
        }
    }
    // A date is compared as one, however it is written.
    let dates = facts(question).into_iter().filter(|found| is_date(&found.fact));
    let dates: Vec<&str> =
        dates.map(|found| &question[found.range]).filter(|text| is_quotable(text)).collect();
    for &column in texts.iter().filter(|&&column| sheet.columns[column].kind == Kind::Date) {
        for date in &dates {
            if !said[column].iter().any(|known| known == date) {
                said[column].push((*date).to_owned());
            }
        }
    }
    // `lost` is `L` in many a table.
    let begins = |letter: &str| {
        let starts = |token: &&Token| question[token.range.clone()].to_lowercase().starts_with(letter);
        let free = |token: &&Token| {
            !known.iter().any(|known| known.start <= token.range.start && token.range.end <= known.end)
        };
        words.iter().filter(|token| token.content).filter(free).any(|token| starts(&token))
    };
    for (&column, cells) in texts.iter().zip(&cells) {
        let first = |cell: &'_ String| cell.split(' ').next().unwrap_or_default().to_owned();
        let firsts: BTreeSet<String> =
            cells.iter().map(first).filter(|word| word.chars().count() == 1).collect();
        // `E` of `E-17` tells none from another.
        let letters =
            firsts.iter().filter(|letter| letter.starts_with(char::is_alphabetic) && begins(letter));
        if firsts.len() > 1 {
            said[column].extend(letters.map(|letter| letter.to_uppercase()));
        }
    }
    said
}

fn numbers(question: &str, denies: bool) -> Vec<String> {
    let number = |fact| match fact {
        Fact::Number { value, .. } => Some(value.to_string()),
        Fact::Date { year, .. } => (year > 0).then(|| year.to_string()),
    };
    let mut numbers: Vec<String> =
        facts(question).into_iter().filter_map(|found| number(found.fact)).collect();
    numbers.extend(denies.then(|| "0".to_owned()));
    numbers.sort();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::super::sheet::tests::sheet;
    use super::*;

    fn said_of(question: &str) -> Vec<(String, Vec<String>)> {
        let table = "Customer | Result | Paid | Years\n\
                     Harbour Authority | W 3-1 | 2024-05-08 | 1989-1992\n\
                     Wexcombe Water | L 2-0 | 2024-06-03 | 1990-1991";
        let passages = sheet(table);
        let sheet = super::super::sheet::tests::of(&passages);
        let names = sheet.columns.iter().map(|column| column.name.clone());
        names.zip(texts(&sheet, question)).filter(|(_, said)| !said.is_empty()).collect()
    }

    fn check(question: &str, expected: &[(&str, &[&str])]) {
        let expected: Vec<(String, Vec<String>)> = expected
            .iter()
            .map(|(name, texts)| ((*name).to_owned(), texts.iter().map(|text| (*text).to_owned()).collect()))
            .collect();
        assert_eq!(said_of(question), expected, "{question}");
    }

    #[test]
    fn what_cells_hold_is_what_the_question_says_of_them() {
        check("How much does the harbour authority owe?", &[("customer", &["harbour authority"])]);
        check("How many games were lost?", &[("result", &["L"])]);
        check("What did Wexcombe pay in May 2024?", &[("customer", &["Wexcombe"]), ("paid", &["May 2024"])]);
        check("How many were there in 1990?", &[]);
        check("Who is it?", &[]);
        check(
            "How many results of the harbor authorities were wins?",
            &[("customer", &["authorities"]), ("result", &["W"])],
        );
        check("Which authority is it?", &[("customer", &["authority"])]);
        check("How many authorities are customers?", &[]);
        check("How many of these authorities are there?", &[]);
        let churches = sheet(
            "Church | Year\nMost Blessed Sacrament Catholic Church | 1960\nSaint Anthony Catholic Church | 1903",
        );
        let churches = super::super::sheet::tests::of(&churches);
        let question = "How much later is the year of the king than most blessed sacrament catholic church?";
        assert_eq!(texts(&churches, question)[0], ["blessed sacrament catholic church"]);
    }

    #[test]
    fn what_is_denied_and_what_is_told_apart_is_known() {
        let passages = sheet("Customer | Paid | Due\nAlda | yes | May\nBerta | | June");
        let sheet = super::super::sheet::tests::of(&passages);
        let said = |question: &str| {
            let said = Said::of(&sheet, question);
            (said.denies, said.apart)
        };
        assert_eq!(said("How many have paid?"), (false, false));
        assert_eq!(said("How many have not paid?"), (true, false));
        assert_eq!(said("How many are unpaid?"), (true, false));
        assert_eq!(said("How much more has Alda paid than Berta?"), (false, true));
    }

    #[test]
    fn numbers_are_written_as_a_query_writes_them() {
        assert_eq!(
            numbers("How many cost more than 1,200.50 in the first five months of 2024?", false),
            ["1", "1200.5", "2024", "5"]
        );
        assert_eq!(numbers("How many have no licence?", true), ["0"]);
    }
}
