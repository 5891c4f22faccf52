//! What the tables of a spreadsheet say as a whole: how many rows they have, from where to where their columns reach and what
//! repeats in them.

use std::collections::BTreeSet;

use carrel_corpus::{ChunkId, Claim, Passage, Span, Support};

use super::query::{Figure, Function, Group, Part, Query, Select, What};
use super::sheet::{Kind, Sheet, spaced};
use super::{CITED, stretches};
use crate::words::content_stems;

/// Columns of a table that are told of.
const TOLD: usize = 6;
/// Groups that a column falls into, where they are told of, and the rows of a group on average at least.
const GROUPS: usize = 6;
const ROWS_OF_GROUP: usize = 2;
/// Stems of what a column is called whose numbers add up to something, and of those that are no numbers but names.
const ADDS_UP: &str = "amount total sum net gross cost tax vat fee quantity qty hour payment balance turnover betrag summe netto brutto kosten \
                       menge stunden importe suma coste montant somme coût";
const NAMES: &str = "id no nr number nummer num code row key phone zip postcode plz año jahr year";

/// A sentence for each thing that is worth telling, with the rows that make it.
pub(crate) fn overview(passages: &[Passage]) -> Vec<Claim> {
    let mut looked: BTreeSet<ChunkId> = BTreeSet::new();
    let mut told = Vec::new();
    for passage in passages {
        if looked.contains(&passage.chunk) {
            continue;
        }
        let Some(sheet) = Sheet::holding(passages, passage.chunk) else { continue };
        looked.extend(sheet.chunks());
        let all: Vec<usize> = (0..sheet.rows.len()).collect();
        let labels: Vec<&str> = sheet.columns.iter().map(|column| column.label.trim()).collect();
        told.push(claim(format!("{} rows: {}", all.len(), labels.join(", ")), all, &sheet));
        told.extend((0..sheet.columns.len()).filter_map(|column| of_column(column, &sheet)).take(TOLD));
    }
    told
}

/// What a column says as a whole; `None` where that is nothing.
fn of_column(column: usize, sheet: &Sheet) -> Option<Claim> {
    let label = sheet.columns[column].label.trim();
    let is_called = |stems: &str| {
        content_stems(&spaced(label)).iter().any(|stem| stems.split_whitespace().any(|known| known == stem))
            || stems.split_whitespace().any(|known| known == label.to_lowercase().trim_end_matches('.'))
    };
    let figure = |function: Function| {
        let what = What::Figure(Figure { function, column: Some(column), distinct: false });
        let first = Select { what, conditions: Vec::new(), step: 0, group: None, order: None, limit: None };
        Query { first, second: None }.run(sheet)?.pop()
    };
    match sheet.columns[column].kind {
        Kind::Number if is_called(NAMES) || sheet.tells_years(column) => None,
        Kind::Number | Kind::Date => {
            let (least, most) = (figure(Function::Least)?, figure(Function::Most)?);
            if least.text == most.text {
                return None;
            }
            let (from, to) = (of_row(&least.text, &least.rows, sheet), of_row(&most.text, &most.rows, sheet));
            let mut text = format!("{label}: from {from} to {to}");
            let mut rows = [least.rows, most.rows].concat();
            let sum = figure(Function::Sum)
                .filter(|_| sheet.columns[column].kind == Kind::Number && is_called(ADDS_UP));
            if let Some(sum) = sum {
                text.push_str(&format!(", {} in all", sum.text));
                rows = sum.rows;
            }
            Some(claim(text, rows, sheet))
        }
        Kind::Text => {
            let what = What::Figure(Figure { function: Function::Count, column: None, distinct: false });
            let group = Some(Group { column, part: Part::Whole });
            let first = Select { what, conditions: Vec::new(), step: 0, group, order: None, limit: None };
            let groups = Query { first, second: None }.run(sheet)?;
            let rows: Vec<usize> = groups.iter().flat_map(|group| group.rows.clone()).collect();
            let texts: Vec<&str> = groups.iter().map(|group| group.text.as_str()).collect();
            let repeats = groups.len() <= GROUPS && rows.len() >= ROWS_OF_GROUP * groups.len();
            repeats.then(|| claim(format!("{label}: {}", texts.join(", ")), rows, sheet))
        }
    }
}

/// A cell, and what the only row that has it is called.
fn of_row(cell: &str, rows: &[usize], sheet: &Sheet) -> String {
    let text = sheet.columns.iter().position(|column| column.kind == Kind::Text);
    let name = text.zip(rows.first()).map_or("", |(column, &row)| sheet.rows[row].cells[column].trim());
    if rows.len() == 1 && !name.is_empty() { format!("{cell} ({name})") } else { cell.to_owned() }
}

fn claim(text: String, mut rows: Vec<usize>, sheet: &Sheet) -> Claim {
    rows.sort_unstable();
    rows.dedup();
    let cited = stretches(&rows, sheet).into_iter().take(CITED);
    let citations = cited.map(|rows| sheet.citation(rows, 0)).collect();
    Claim { span: Span::new(0, text.len()), text, support: Support::Supported, citations }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::passage;

    #[test]
    fn a_table_is_told_of_by_its_figures() {
        let table = "Customer | Net | Paid | Status\n\
                     Harbour Authority | £1,200.50 | 2024-05-08 | paid\n\
                     Wexcombe Water | £800 | | open\n\
                     Harbour Authority | £400 | 2024-06-03 | paid\n\
                     Alda Bridge | £750 | 2023-01-31 | paid";
        let passages = [passage(1, "invoices.csv", 0, table)];
        let told = overview(&passages);
        let texts: Vec<&str> = told.iter().map(|claim| claim.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "4 rows: Customer, Net, Paid, Status",
                "Net: from £400 (Harbour Authority) to £1,200.50 (Harbour Authority), £3,150.50 in all",
                "Paid: from 2023-01-31 (Alda Bridge) to 2024-06-03 (Harbour Authority)",
                "Status: paid: 3, open: 1",
            ]
        );
        for claim in &told {
            assert!(claim.citations.iter().all(|citation| citation.span.of(table) == citation.quote));
            assert!(!claim.citations.is_empty());
        }
    }
}
