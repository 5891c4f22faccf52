//! What a question says of a table: the texts of cells, and numbers to compare them with.

use std::collections::BTreeSet;
use std::ops::Range;

use super::query::{folded, holds};
use super::sheet::{Kind, Sheet, is_stretch};
use crate::facts::{Fact, facts, is_date};
use crate::text::{Token, is_negation, tokens};

/// Words in a row that a question says of a cell at most, and such texts of a column.
const RUN: usize = 6;
const SAID: usize = 8;
/// Digits of a number that tells something of a text by itself.
const YEAR: usize = 4;

/// Of each column of texts or dates, what the question says of its cells: its longest runs of words that a cell holds.
pub(crate) fn said(sheet: &Sheet, question: &str) -> Vec<Vec<String>> {
    let words = tokens(question);
    let is_quotable = |text: &str| !text.contains(['\'', '"', '\\', '\n']);
    let counts = |text: &str| text.chars().all(|c| c.is_ascii_digit()) && text.len() < YEAR;
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
        for (&column, cells) in texts.iter().zip(&cells) {
            let stretches = || year && sheet.rows.iter().any(|row| is_stretch(row.cells[column]));
            let holding = cells.iter().filter(|cell| holds(cell, &words)).count();
            // What each cell says tells none from another.
            let tells = holding > 0 && (holding < cells.len() || holding == 1);
            if tells && said[column].len() < SAID && !stretches() {
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
        let firsts: BTreeSet<&str> = cells.iter().filter_map(|cell| cell.split(' ').next()).collect();
        let letters = firsts.into_iter().filter(|word| word.chars().count() == 1);
        let letters = letters.filter(|letter| letter.starts_with(char::is_alphabetic) && begins(letter));
        said[column].extend(letters.map(str::to_uppercase));
    }
    said
}

/// The numbers of a question as a query writes them, and none where it denies something.
pub(crate) fn numbers(question: &str) -> Vec<String> {
    let mut numbers: Vec<String> = facts(question)
        .into_iter()
        .filter_map(|found| match found.fact {
            Fact::Number { value, .. } => Some(value.to_string()),
            Fact::Date { year, .. } => (year > 0).then(|| year.to_string()),
        })
        .collect();
    if tokens(question).iter().any(|token| is_negation(&question[token.range.clone()].to_lowercase())) {
        numbers.push("0".to_owned());
    }
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
        names.zip(said(&sheet, question)).filter(|(_, said)| !said.is_empty()).collect()
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
    }

    #[test]
    fn numbers_are_written_as_a_query_writes_them() {
        assert_eq!(
            numbers("How many cost more than 1,200.50 in the first five months of 2024?"),
            ["1", "1200.5", "2024", "5"]
        );
        assert_eq!(numbers("How many have no licence?"), ["0"]);
    }
}
