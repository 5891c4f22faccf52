//! Whether a query asks for what its question asks for.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use carrel_corpus::Embedder;
use regex::Regex;

use super::query::{By, Condition, Function, Query, Select, Subject, Test, What};
use super::sheet::{Kind, Sheet, is_blank};
use crate::Error;
use crate::facts::{Fact, facts, names, stated};
use crate::tasks::pattern;
use crate::text::{dot, is_negation};
use crate::words::content_stems;

/// What is told by the rows before or behind one, or by what is best: no query here asks for it.
static ORDERED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:before|after|behind|previous|prior|next|following|consecutive|once|twice|vor|nach|vorher\w*|nächste[nrs]?|antes|después|siguiente|avant|après|suivante?)\b",
    )
});
static BEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:best|worst|better|worse|(?:un)?favou?rable|(?:un)?successful|besser|beste[nrs]?|schlechteste[nrs]?|mejor|peor|meilleure?)\b",
    )
});
/// What asks for a number of each.
static EACH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:per|each|every|respectively|pro|je|jede[rsmn]?|jeweils|cada|chaque|par)\b|每")
});
/// What asks how far two numbers are apart.
static APART: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\bdifference\b|\b(?:many|much)\s+(?:more|less|fewer|higher|lower|longer|larger|older)\b|\bunterschied\b|\bdifferenz\b|\bum\s+wie\s?viel\b|\bdiferencia\b|\bdifférence\b",
    )
});
/// What comes first or last, by the place in the table or a date.
static ENDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:first|last|top|bottom|earliest|latest|newest|oldest|recent|erste[nrs]?|letzte[nrs]?|neueste[nrs]?|älteste[nrs]?|primer[oa]?|últim[oa]|premi(?:er|ère)|dernière?)\b|第一|最后|最早|最新",
    )
});
/// What tables call anything.
const GENERIC: [&str; 8] = ["total", "number", "name", "amount", "count", "list", "row", "tabl"];

/// A label as words: `price_gbp` is two.
fn spaced(label: &str) -> String {
    label.replace('_', " ")
}

/// How near a column that nothing names must be to the question, as a cosine, to order rows by: `price` to `the most expensive`.
const NEAR: f32 = 0.2;

/// A question beside the table that is to answer it.
pub(crate) struct Asked<'a> {
    question: &'a str,
    /// Its meaningful words, but for what denies.
    stems: BTreeSet<String>,
    sheet: &'a Sheet<'a>,
    /// Title, headings and name of the document.
    about: &'a str,
}

impl<'a> Asked<'a> {
    pub fn new(question: &'a str, sheet: &'a Sheet<'a>, about: &'a str) -> Asked<'a> {
        let mut stems = content_stems(question);
        stems.retain(|stem| !is_negation(stem));
        Asked { question, stems, sheet, about }
    }

    /// Whether a query says no more than the question does, and leaves nothing out that it says: no figure, no name, no cell and no
    /// column.
    pub fn is_met_by(&self, query: &Query, embedder: &dyn Embedder) -> Result<bool, Error> {
        let used: BTreeSet<usize> = query.columns().into_iter().collect();
        let mut covered: BTreeSet<String> = query.literals().flat_map(content_stems).collect();
        covered.extend(used.iter().flat_map(|&column| self.labels(column)));
        // `unpaid` asks for those that hold nothing under `paid`.
        let blank = query.conditions().filter(|part| part.test == Test::Blank && !part.not);
        let blank: Vec<String> =
            blank.flat_map(|part| part.subject.column()).flat_map(|column| self.labels(column)).collect();
        covered.extend(blank.into_iter().map(|stem| format!("un{stem}")));
        let tells = !covered.is_disjoint(&self.stems);
        covered.extend(content_stems(self.about));
        covered.extend(GENERIC.map(str::to_owned));
        let compares =
            query.conditions().any(|part| matches!(part.test, Test::Beyond(..) | Test::Between(..)));
        let apart = APART.is_match(self.question) == query.less.is_some()
            && query.less.as_ref() != Some(&query.first);
        let fits = tells
            && apart
            && (compares || !ORDERED.is_match(self.question))
            && !BEST.is_match(self.question)
            && (!EACH.is_match(self.question)
                || used.iter().any(|&column| EACH.is_match(&spaced(self.sheet.columns[column].label))))
            && self.has_every_figure(query, &used)
            && names(self.question, |_| false).iter().all(|stem| covered.contains(stem))
            && self.has_every_column(query, &used, &covered)
            && self.has_every_cell(&covered);
        if !fits {
            return Ok(false);
        }
        for select in query.selects() {
            if !self.chooses(select) || !self.orders(select, embedder)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn labels(&self, column: usize) -> BTreeSet<String> {
        content_stems(&spaced(self.sheet.columns[column].label))
    }

    fn has_every_figure(&self, query: &Query, used: &BTreeSet<usize>) -> bool {
        let mut held: Vec<_> = query.literals().flat_map(facts).collect();
        held.extend(facts(self.about));
        held.extend(used.iter().flat_map(|&column| facts(self.sheet.columns[column].label)));
        let limits: Vec<f64> =
            query.selects().filter_map(|select| select.limit).map(|limit| limit as f64).collect();
        let counted = |fact: &Fact| match fact {
            Fact::Number { value, .. } => *value == 1.0 || limits.contains(value),
            Fact::Date { .. } => false,
        };
        facts(self.question).iter().all(|found| stated(&found.fact, &held) || counted(&found.fact))
    }

    /// Whether each column that the question names is used, or does not matter: to a sum of all, or because it holds something else in
    /// each of the rows that a figure is made of, so that those stand for it.
    fn has_every_column(&self, query: &Query, used: &BTreeSet<usize>, covered: &BTreeSet<String>) -> bool {
        let stands_for = |column: usize| {
            let (What::Figure(figure), None) = (&query.first.what, &query.less) else { return false };
            if figure.function == Function::Sum {
                return true;
            }
            let Some(rows) = query.first.matching(self.sheet) else { return false };
            let cells = rows.iter().map(|&row| self.sheet.rows[row].cells[column]);
            cells.filter(|cell| !is_blank(cell)).collect::<BTreeSet<&str>>().len() == rows.len()
        };
        let is_named = |column: &usize| {
            self.labels(*column).iter().any(|stem| self.stems.contains(stem) && !covered.contains(stem))
        };
        let mut unused =
            (0..self.sheet.columns.len()).filter(|column| !used.contains(column)).filter(is_named);
        unused.all(stands_for)
    }

    /// Whether no cell of texts or dates is named by the question that the query does not name.
    fn has_every_cell(&self, covered: &BTreeSet<String>) -> bool {
        let is_left_out = |cell: &str| {
            let words = content_stems(cell);
            !words.is_empty() && words.is_subset(&self.stems) && !words.is_subset(covered)
        };
        let texts =
            (0..self.sheet.columns.len()).filter(|&column| self.sheet.columns[column].kind != Kind::Number);
        texts.into_iter().all(|column| {
            let cells: BTreeSet<&str> = self.sheet.rows.iter().map(|row| row.cells[column]).collect();
            // Taking a cell apart costs more than looking for a word in it.
            let holds_one = |cell: &&str| {
                let lower = cell.to_lowercase();
                self.stems.iter().any(|stem| lower.contains(stem.as_str()))
            };
            !cells.into_iter().filter(holds_one).any(is_left_out)
        })
    }

    /// Whether a selection chooses: it is no list of all there is, nor of what it requires.
    fn chooses(&self, select: &Select) -> bool {
        let What::Cells(subjects) = &select.what else { return true };
        let is_one =
            |test: &Test| !matches!(test, Test::Is(values) if values.len() > 1) && *test != Test::Blank;
        let required = |part: &Condition| !part.not && is_one(&part.test) && subjects.contains(&part.subject);
        let says_it_again = select.conditions.len() == 1 && select.conditions.iter().flatten().any(required);
        (!select.conditions.is_empty() || select.order.is_some()) && !says_it_again
    }

    /// Whether the rows that come first do so by what the question names, or by the column of numbers that is nearest to it.
    fn orders(&self, select: &Select, embedder: &dyn Embedder) -> Result<bool, Error> {
        let column = match select.order.as_ref().map(|order| &order.by) {
            None | Some(By::Figure(_)) => return Ok(true),
            Some(By::Subject(Subject::Row)) => return Ok(ENDS.is_match(self.question)),
            Some(By::Subject(Subject::Column(column))) => *column,
        };
        let is_date = self.sheet.columns[column].kind == Kind::Date;
        if !self.labels(column).is_disjoint(&self.stems) || is_date && ENDS.is_match(self.question) {
            return Ok(true);
        }
        let numbers: Vec<usize> =
            (0..self.sheet.columns.len()).filter(|&at| self.sheet.columns[at].kind == Kind::Number).collect();
        let labels: Vec<String> =
            numbers.iter().map(|&column| spaced(self.sheet.columns[column].label)).collect();
        let query = embedder.query(self.question)?;
        let vectors = embedder.passages(&labels.iter().map(String::as_str).collect::<Vec<_>>())?;
        let near = numbers.iter().zip(&vectors).map(|(&column, vector)| (dot(vector, &query), column));
        Ok(near
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .is_some_and(|(near, nearest)| nearest == column && near >= NEAR))
    }
}
