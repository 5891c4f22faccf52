//! Whether a query asks for what its question asks for.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use carrel_corpus::Embedder;
use regex::Regex;

use super::query::{By, Condition, Figure, Function, Query, Select, Subject, Test, What};
use super::said::{COUNTED, Said};
use super::sheet::{Kind, Sheet, is_blank, spaced};
use crate::Error;
use crate::facts::{Fact, facts, names, stated};
use crate::language::{Language, language};
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
static AVERAGE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:averages?|mean|durchschnitt\w*|im\s+(?:schnitt|mittel)|promedio|media|moyennes?)\b|平均|средн",
    )
});
/// What asks for the end of an order where the numbers are small, and where they are great. `At least` is neither.
static LEAST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:fewest|lowest|smallest|shortest|cheapest|minimum|min|wenigsten|niedrigste\w*|kleinste\w*|kürzeste\w*|billigste\w*|günstigste\w*|menos|mínim[oa]|menor|moindre|le\s+moins)\b|最低|最少|最小|最便宜",
    )
});
static MOST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:highest|largest|biggest|greatest|longest|tallest|heaviest|maximum|max|meisten?|höchste\w*|größte\w*|längste\w*|teuerste\w*|máxim[oa]|mayor|le\s+plus)\b|最高|最多|最大|最贵",
    )
});
static OF_MANY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:most|least|fewest|am\s+(?:meisten|wenigsten)|más|menos|le\s+(?:plus|moins))\b|最多|最少",
    )
});
/// What asks for a number of each.
static EACH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:per|each|every|respectively|pro|je|jede[rsmn]?|jeweils|cada|chaque|par)\b|每")
});
/// What comes first or last, by the place in the table or a date.
static ENDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:first|last|top|bottom|earliest|latest|newest|oldest|recent(?:ly)?|zuerst|zuletzt|erste[nrs]?|letzte[nrs]?|neueste[nrs]?|älteste[nrs]?|primer[oa]?|últim[oa]|premi(?:er|ère)|dernière?)\b|第一|最后|最早|最新",
    )
});
/// What tables call anything.
const GENERIC: [&str; 8] = ["total", "number", "name", "amount", "count", "list", "row", "tabl"];

/// How near a column that nothing names must be to the question, as a cosine, to order rows by: `price` to `the most expensive`.
const NEAR: f32 = 0.2;

/// A question beside the table that is to answer it.
pub(crate) struct Asked<'a> {
    question: &'a str,
    /// Its meaningful words, but for what denies.
    stems: BTreeSet<String>,
    sheet: &'a Sheet<'a>,
    said: &'a Said,
    /// Title, headings and name of the document.
    about: &'a str,
}

impl<'a> Asked<'a> {
    pub fn new(question: &'a str, sheet: &'a Sheet<'a>, said: &'a Said, about: &'a str) -> Asked<'a> {
        let mut stems = content_stems(question);
        stems.retain(|stem| !is_negation(stem));
        Asked { question, stems, sheet, said, about }
    }

    /// The column of texts whose different cells a question counts that asks `how many employees`, where a query counts rows and
    /// names no such column.
    pub fn counted(&self, query: &Query) -> Option<usize> {
        const ROWS: Figure = Figure { function: Function::Count, column: None, distinct: false };
        let (What::Figure(ROWS), None) = (&query.first.what, &query.less) else { return None };
        let what = COUNTED.captures(self.question)?.name("what")?.as_str();
        let what = Some(content_stems(what)).filter(|what| !what.is_empty())?;
        let mut named = (0..self.sheet.columns.len())
            .filter(|&column| self.sheet.columns[column].kind == Kind::Text && self.labels(column) == what);
        named.next().filter(|column| !query.columns().contains(column))
    }

    /// Whether a query says no more than the question does, and leaves nothing out that it says: no figure, no name, no cell and no
    /// column.
    pub fn is_met_by(&self, query: &Query, embedder: &dyn Embedder) -> Result<bool, Error> {
        let used: BTreeSet<usize> = query.columns().into_iter().collect();
        let mut covered: BTreeSet<String> = query.literals().flat_map(content_stems).collect();
        covered.extend(used.iter().flat_map(|&column| self.labels(column)));
        // `unpaid` asks for those that hold nothing under `paid`.
        let empty: Vec<usize> = query
            .conditions()
            .filter(|part| part.test == Test::Blank)
            .flat_map(|part| part.subject.column())
            .collect();
        covered.extend(empty.iter().flat_map(|&column| self.labels(column)).map(|stem| format!("un{stem}")));
        let lists = |select: &Select| {
            let holds_any = |part: &Condition| part.test == Test::Blank && part.not;
            matches!(select.what, What::Cells(_)) && select.conditions.iter().flatten().any(holds_any)
        };
        let empties = !query.selects().any(lists)
            && query.conditions().all(|part| part.test != Test::Blank || part.not != self.said.denies);
        let tells = !covered.is_disjoint(&self.stems);
        covered.extend(content_stems(self.about));
        covered.extend(GENERIC.map(str::to_owned));
        let compares =
            query.conditions().any(|part| matches!(part.test, Test::Beyond(..) | Test::Between(..)));
        let apart = self.said.apart == query.less.is_some() && query.less.as_ref() != Some(&query.first);
        let fits = tells
            && apart
            && empties
            && (compares || !ORDERED.is_match(self.question))
            && !BEST.is_match(self.question)
            && self.has_every_measure(query, &used)
            && (!EACH.is_match(self.question)
                || used.iter().any(|&column| EACH.is_match(&spaced(self.sheet.columns[column].label))))
            && self.has_every_figure(query, &used)
            && self.has_every_name(&covered)
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

    /// Whether an average is made where one is asked for, unless a column holds it, and whether the least is not taken for the most.
    fn has_every_measure(&self, query: &Query, used: &BTreeSet<usize>) -> bool {
        let makes = |function: Function| query.figures().any(|figure| figure.function == function);
        let is_held =
            || used.iter().any(|&column| AVERAGE.is_match(&spaced(self.sheet.columns[column].label)));
        let averages = match AVERAGE.is_match(self.question) {
            true => makes(Function::Average) || is_held(),
            false => !makes(Function::Average),
        };
        let orders = |descending: bool| {
            let mut orders = query.selects().filter_map(|select| select.order.as_ref());
            orders.any(|order| order.by != By::Subject(Subject::Row) && order.descending == descending)
        };
        let least = makes(Function::Least) || orders(false);
        let most = makes(Function::Most) || orders(true);
        averages && !(LEAST.is_match(self.question) && most) && !(MOST.is_match(self.question) && least)
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

    fn has_every_name(&self, covered: &BTreeSet<String>) -> bool {
        // In German what is counted has a capital, too.
        let counted = COUNTED.captures(self.question).filter(|_| language(self.question) == Language::German);
        let counted = counted.map(|parts| content_stems(&parts["what"])).unwrap_or_default();
        names(self.question, |_| false).iter().all(|stem| covered.contains(stem) || counted.contains(stem))
    }

    /// Whether each column that the question names is used, or does not matter: to a sum of all, or because it holds something else in
    /// each of the rows that a figure is made of, so that those stand for it.
    fn has_every_column(&self, query: &Query, used: &BTreeSet<usize>, covered: &BTreeSet<String>) -> bool {
        let stands_for = |column: usize| {
            let figure = match (&query.first.what, query.first.order.as_ref().map(|order| &order.by)) {
                (What::Figure(figure), _) | (_, Some(By::Figure(figure))) if query.less.is_none() => figure,
                _ => return false,
            };
            if figure.function == Function::Sum {
                return true;
            }
            // Goals are counted row by row only by chance; years may be.
            let all: Vec<usize> = (0..self.sheet.rows.len()).collect();
            let matching = match self.sheet.columns[column].kind {
                Kind::Number => Some(all),
                Kind::Date | Kind::Text => query.first.matching(self.sheet),
            };
            let Some(rows) = matching else { return false };
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
        let is_one = |test: &Test| {
            !matches!(test, Test::Is(values) | Test::Like(values) if values.len() > 1) && *test != Test::Blank
        };
        let required = |part: &Condition| !part.not && is_one(&part.test) && subjects.contains(&part.subject);
        let says_it_again = select.conditions.len() == 1 && select.conditions.iter().flatten().any(required);
        (!select.conditions.is_empty() || select.order.is_some()) && !says_it_again
    }

    /// Whether a column of texts that is selected says the same in several rows.
    fn repeats(&self, select: &Select) -> bool {
        let What::Cells(subjects) = &select.what else { return false };
        let Some(rows) = select.matching(self.sheet) else { return false };
        subjects.iter().filter_map(|subject| subject.column()).any(|column| {
            let cells =
                rows.iter().map(|&row| self.sheet.rows[row].cells[column]).filter(|cell| !is_blank(cell));
            self.sheet.columns[column].kind == Kind::Text
                && cells.collect::<BTreeSet<&str>>().len() < rows.len()
        })
    }

    /// Whether the rows that come first do so by what the question names, or by the column of numbers that is nearest to it.
    fn orders(&self, select: &Select, embedder: &dyn Embedder) -> Result<bool, Error> {
        let column = match select.order.as_ref().map(|order| &order.by) {
            None | Some(By::Figure(_)) => return Ok(true),
            Some(By::Subject(Subject::Row)) => return Ok(ENDS.is_match(self.question)),
            Some(By::Subject(Subject::Column(column))) => *column,
        };
        // Who has the most of what stands in many rows is not told by one of them.
        if OF_MANY.is_match(self.question) && self.repeats(select) {
            return Ok(false);
        }
        let is_date = self.sheet.columns[column].kind == Kind::Date;
        if !self.labels(column).is_disjoint(&self.stems) || is_date && ENDS.is_match(self.question) {
            return Ok(true);
        }
        let is_number = |at: &usize| {
            self.sheet.columns[*at].kind == Kind::Number && !self.sheet.columns[*at].label.is_empty()
        };
        let numbers: Vec<usize> = (0..self.sheet.columns.len()).filter(is_number).collect();
        if numbers == [column] {
            return Ok(true);
        }
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
