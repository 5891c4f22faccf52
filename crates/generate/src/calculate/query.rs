//! Queries over a table, in the small part of SQL that a model is held to.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::sheet::{Kind, Sheet, Value, is_blank, number};
use crate::facts::{Fact, Unit, facts};
use crate::text::tokens;

/// What a query calls the place of a row in its table, counted from 1.
pub(crate) const ROW: &str = "row";

/// Cells that an answer lists at most.
const LISTED: usize = 40;

/// Groups of which an answer gives a figure each at most.
const GROUPS: usize = 24;

/// One selection, or what is between the number that one gives and that of another.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    pub first: Select,
    pub second: Option<(Between, Select)>,
}

/// What two numbers are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    Difference,
    /// How much of the second the first is, which is made of some of its rows.
    Share,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Select {
    pub what: What,
    /// One of them is to hold; each of its parts.
    pub conditions: Vec<Vec<Condition>>,
    /// Rows from the only one that meets the conditions to the one that is asked for; negative where that stands before it.
    pub step: isize,
    pub group: Option<Group>,
    pub order: Option<Order>,
    pub limit: Option<usize>,
}

/// What the rows of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub column: usize,
    pub part: Part,
}

/// As much of a cell as counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Month,
    Year,
}

#[derive(Debug, PartialEq)]
pub(crate) enum What {
    /// The cells of these columns.
    Cells(Vec<Subject>),
    Figure(Figure),
}

/// A number made of many rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub function: Function,
    /// None where it is the rows that are counted.
    pub column: Option<usize>,
    /// Whether what is alike counts once.
    pub distinct: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    Sum,
    Average,
    Least,
    Most,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Row,
    Column(usize),
}

impl Subject {
    pub fn column(self) -> Option<usize> {
        match self {
            Subject::Row => None,
            Subject::Column(column) => Some(column),
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Order {
    pub by: By,
    pub descending: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) enum By {
    Subject(Subject),
    Figure(Figure),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Condition {
    pub subject: Subject,
    pub not: bool,
    pub test: Test,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Test {
    /// It is one of these.
    Is(Vec<String>),
    /// It holds the words of one of these.
    Like(Vec<String>),
    /// It is more or less than this, or as much where the flag says so.
    Beyond(Ordering, bool, String),
    /// It is more or less than in the only row that meets these conditions.
    BeyondRow(Ordering, Vec<Condition>),
    Between(String, String),
    /// It is empty.
    Blank,
}

impl Test {
    /// What a cell is compared with.
    pub fn values(&self) -> Vec<&str> {
        match self {
            Test::Is(values) | Test::Like(values) => values.iter().map(String::as_str).collect(),
            Test::Beyond(_, _, value) => vec![value],
            Test::Between(from, to) => vec![from, to],
            Test::BeyondRow(..) | Test::Blank => Vec::new(),
        }
    }
}

/// A part of what a query gave, which stands for itself.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub text: String,
    /// The rows that it is made of, in their order.
    pub rows: Vec<usize>,
}

impl Query {
    pub fn selects(&self) -> impl Iterator<Item = &Select> {
        std::iter::once(&self.first).chain(self.second.iter().map(|(_, select)| select))
    }

    /// What cells are compared with, those of rows included that others are compared with.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.conditions().flat_map(|condition| condition.test.values())
    }

    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.selects().flat_map(|select| select.conditions.iter().flatten()).flat_map(Condition::all)
    }

    /// The numbers made of many rows that it gives, or that it chooses groups of rows by.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.selects().filter_map(|select| {
            match (&select.what, select.order.as_ref().map(|order| &order.by)) {
                (What::Figure(figure), _) | (What::Cells(_), Some(By::Figure(figure))) => Some(figure),
                (What::Cells(_), _) => None,
            }
        })
    }

    pub fn figures_mut(&mut self) -> impl Iterator<Item = &mut Figure> {
        let selects =
            std::iter::once(&mut self.first).chain(self.second.iter_mut().map(|(_, select)| select));
        selects.filter_map(|select| {
            match (&mut select.what, select.order.as_mut().map(|order| &mut order.by)) {
                (What::Figure(figure), _) | (What::Cells(_), Some(By::Figure(figure))) => Some(figure),
                (What::Cells(_), _) => None,
            }
        })
    }

    /// The column by which rows are grouped, and how many that it is about do not say it, and are in no group.
    pub fn ungrouped(&self, sheet: &Sheet) -> Option<(usize, usize)> {
        let group = self.first.group?;
        let rows = self.first.matching(sheet)?;
        let silent = rows.into_iter().filter(|&row| common(group, row, sheet).is_none()).count();
        Some((group.column, silent))
    }

    /// The columns that it names.
    pub fn columns(&self) -> Vec<usize> {
        self.selects().flat_map(Select::columns).collect()
    }

    /// What the table gives, one part of each group where it is asked for that; `None` where no row does, where what is to be
    /// compared or added up is no number, and where it would be a long list.
    pub fn run(&self, sheet: &Sheet) -> Option<Vec<Found>> {
        let Some((between, second)) = &self.second else { return self.first.run(sheet) };
        let (number, mut rows, unit) = self.first.number(sheet)?;
        let (other, others, other_unit) = second.number(sheet)?;
        let text = match between {
            Between::Difference if unit == other_unit => written((number - other).abs(), unit),
            Between::Share if other > 0.0 && is_part(&rows, &others) => {
                written(100.0 * number / other, Unit::Percent)
            }
            Between::Difference | Between::Share => return None,
        };
        rows.extend(others);
        Some(vec![Found { text, rows }])
    }
}

impl Select {
    fn columns(&self) -> Vec<usize> {
        let mut named: Vec<Subject> = match &self.what {
            What::Cells(subjects) => subjects.clone(),
            What::Figure(figure) => figure.column.map(Subject::Column).into_iter().collect(),
        };
        named.extend(
            self.conditions.iter().flatten().flat_map(Condition::all).map(|condition| condition.subject),
        );
        named.extend(self.group.map(|group| Subject::Column(group.column)));
        named.extend(self.order.iter().filter_map(|order| match order.by {
            By::Subject(subject) => Some(subject),
            By::Figure(figure) => figure.column.map(Subject::Column),
        }));
        named.into_iter().filter_map(Subject::column).collect()
    }

    /// The one number that the table gives, the rows that make it and its unit.
    fn number(&self, sheet: &Sheet) -> Option<(f64, Vec<usize>, Unit)> {
        let rows = self.matching(sheet)?;
        match &self.what {
            What::Figure(figure) => {
                let unit = figure.column.map_or(Some(Unit::Plain), |column| sheet.unit(&rows, column))?;
                Some((figure.value(&rows, sheet)?, figure.of(&rows, sheet)?.rows, unit))
            }
            What::Cells(subjects) => {
                let ([Subject::Column(column)], [row]) = (subjects.as_slice(), rows.as_slice()) else {
                    return None;
                };
                let Value::Number(value) = sheet.value(*row, *column)? else { return None };
                Some((value, rows.clone(), sheet.unit(&rows, *column)?))
            }
        }
    }

    /// The rows that meet the conditions.
    pub fn matching(&self, sheet: &Sheet) -> Option<Vec<usize>> {
        let all = 0..sheet.rows.len();
        if self.conditions.is_empty() {
            return Some(all.collect());
        }
        let mut meets = vec![false; sheet.rows.len()];
        for parts in &self.conditions {
            for (meets, met) in meets.iter_mut().zip(all_hold(parts, sheet)?) {
                *meets |= met;
            }
        }
        Some(all.filter(|&row| meets[row]).collect())
    }

    fn run(&self, sheet: &Sheet) -> Option<Vec<Found>> {
        let rows = self.matching(sheet)?;
        match (self.group, &self.what) {
            (Some(group), What::Figure(figure)) => of_each(group, *figure, &rows, sheet),
            (Some(group), What::Cells(subjects)) if subjects.contains(&Subject::Column(group.column)) => {
                Some(vec![self.first_groups(group, &rows, sheet)?])
            }
            (Some(_), What::Cells(_)) => None,
            (None, _) if self.step != 0 => Some(vec![self.beside(&rows, sheet)?]),
            (None, _) => {
                let mut found = self.of_rows(rows, sheet)?;
                found.rows.extend(self.conditions.iter().flatten().filter_map(|part| part.other_row(sheet)));
                Some(vec![found])
            }
        }
    }

    /// What stands in the row beside the only one of `rows`. A number alone does not tell which row that is: it is named by what
    /// the other one is named by.
    fn beside(&self, rows: &[usize], sheet: &Sheet) -> Option<Found> {
        let ([row], What::Cells(subjects)) = (rows, &self.what) else { return None };
        let other = row.checked_add_signed(self.step).filter(|&other| other < sheet.rows.len())?;
        let is_number = |subject: &Subject| {
            subject.column().is_none_or(|column| sheet.columns[column].kind == Kind::Number)
        };
        let named_by = self.conditions.first().and_then(|parts| parts.first()).map(|part| part.subject);
        let named_by =
            named_by.filter(|subject| !subjects.contains(subject) && subjects.iter().all(is_number));
        let cells: Vec<&str> = named_by
            .iter()
            .chain(subjects)
            .map(|&subject| cell(subject, other, sheet))
            .collect::<Option<_>>()?;
        Some(Found { text: cells.join(", "), rows: vec![*row, other] })
    }

    fn of_rows(&self, mut rows: Vec<usize>, sheet: &Sheet) -> Option<Found> {
        if let Some(Order { by, descending }) = &self.order {
            let By::Subject(subject) = by else { return None };
            rows = first_of(rows, *descending, self.limit, |&row| key(*subject, row, sheet))?;
        } else if let Some(limit) = self.limit {
            rows.truncate(limit);
        }
        if rows.is_empty() {
            return self.of_none(sheet);
        }
        match &self.what {
            What::Figure(figure) => figure.of(&rows, sheet),
            What::Cells(subjects) => {
                let mut said: Vec<String> = Vec::new();
                for &row in &rows {
                    let cells: Vec<&str> =
                        subjects.iter().filter_map(|&subject| cell(subject, row, sheet)).collect();
                    let cells = cells.join(", ");
                    if !cells.is_empty() && !said.contains(&cells) {
                        said.push(cells);
                    }
                }
                let text = said.join(if subjects.len() > 1 { "; " } else { ", " });
                (!said.is_empty() && said.len() <= LISTED).then_some(Found { text, rows })
            }
        }
    }

    /// How many rows are beyond a number where none is. Where more is required, a small model may have required too much.
    fn of_none(&self, sheet: &Sheet) -> Option<Found> {
        let counts = matches!(self.what, What::Figure(Figure { function: Function::Count, .. }));
        let is_beyond = |parts: &Vec<Condition>| {
            matches!(parts.as_slice(), [Condition { test: Test::Beyond(..) | Test::Between(..), .. }])
        };
        let [parts] = self.conditions.as_slice() else { return None };
        let rows = (0..sheet.rows.len()).collect();
        (counts && is_beyond(parts)).then(|| Found { text: written(0.0, Unit::Plain), rows })
    }

    /// The groups that have the most or least.
    fn first_groups(&self, group: Group, rows: &[usize], sheet: &Sheet) -> Option<Found> {
        let order = self.order.as_ref()?;
        let By::Figure(figure) = order.by else { return None };
        let value = |(_, rows): &(String, Vec<usize>)| figure.value(rows, sheet).map(Value::Number);
        let chosen = first_of(grouped(group, rows, sheet), order.descending, self.limit, value)?;
        let (names, rows): (Vec<String>, Vec<Vec<usize>>) = chosen.into_iter().unzip();
        (!names.is_empty() && names.len() <= LISTED)
            .then(|| Found { text: names.join(", "), rows: rows.into_iter().flatten().collect() })
    }
}

/// Of each row whether all of these hold; `None` where that cannot be told.
fn all_hold(parts: &[Condition], sheet: &Sheet) -> Option<Vec<bool>> {
    let mut all = vec![true; sheet.rows.len()];
    for part in parts {
        for (all, holds) in all.iter_mut().zip(part.holds(sheet)?) {
            *all &= holds;
        }
    }
    Some(all)
}

/// Whether some of `all` rows, but not all of them, are these.
fn is_part(rows: &[usize], all: &[usize]) -> bool {
    let all: BTreeSet<usize> = all.iter().copied().collect();
    rows.len() < all.len() && rows.iter().all(|row| all.contains(row))
}

/// The figure of each group of rows.
fn of_each(group: Group, figure: Figure, rows: &[usize], sheet: &Sheet) -> Option<Vec<Found>> {
    let groups = grouped(group, rows, sheet);
    let each = |(name, rows): (String, Vec<usize>)| {
        let Found { text, rows } = figure.of(&rows, sheet)?;
        Some(Found { text: format!("{name}: {text}"), rows })
    };
    let is_list = (2..=GROUPS).contains(&groups.len());
    is_list.then(|| groups.into_iter().map(each).collect::<Option<_>>())?
}

/// Groups of rows by what they have in common, each named as its first row does, in the order of the table; those of dates in
/// the order of time. A row that does not say it is in none.
fn grouped(group: Group, rows: &[usize], sheet: &Sheet) -> Vec<(String, Vec<usize>)> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for &row in rows {
        let Some((key, name)) = common(group, row, sheet) else { continue };
        let place = *places.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push((name, Vec::new()));
        }
        groups[place].1.push(row);
    }
    if group.part != Part::Whole {
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    groups
}

/// What a row has in common with others of its group, and how it is called.
fn common(group: Group, row: usize, sheet: &Sheet) -> Option<(String, String)> {
    let dated = |date: &dyn Fn([u16; 3]) -> Option<String>| match sheet.value(row, group.column)? {
        Value::Date(parts) => date(parts).map(|key| (key.clone(), key)),
        Value::Number(_) => None,
    };
    match group.part {
        Part::Whole => {
            cell(Subject::Column(group.column), row, sheet).map(|cell| (folded(cell), cell.to_owned()))
        }
        Part::Month => {
            dated(&|[year, month, _]| (year > 0 && month > 0).then(|| format!("{year}-{month:02}")))
        }
        Part::Year => dated(&|[year, ..]| (year > 0).then(|| year.to_string())),
    }
}

impl Condition {
    /// This one, and those by which the row is named that it compares with.
    fn all(&self) -> impl Iterator<Item = &Condition> {
        let named = match &self.test {
            Test::BeyondRow(_, named) => named.as_slice(),
            _ => &[],
        };
        std::iter::once(self).chain(named)
    }

    /// The row that this one compares with.
    fn other_row(&self, sheet: &Sheet) -> Option<usize> {
        let Test::BeyondRow(_, named) = &self.test else { return None };
        let mut rows = all_hold(named, sheet)?.into_iter().enumerate().filter(|(_, holds)| *holds);
        let (row, _) = rows.next()?;
        rows.next().is_none().then_some(row)
    }

    /// Of each row whether it holds; `None` where that cannot be told.
    fn holds(&self, sheet: &Sheet) -> Option<Vec<bool>> {
        let rows = 0..sheet.rows.len();
        if self.test == Test::Blank {
            return Some(rows.map(|row| cell(self.subject, row, sheet).is_none() != self.not).collect());
        }
        let cells = || rows.clone().map(|row| cell(self.subject, row, sheet));
        let any = |held: Vec<bool>| held.contains(&true).then_some(held);
        let like =
            |text: &str| any(cells().map(|cell| cell.is_some_and(|cell| is_like(cell, text))).collect());
        let equal = |value: &str| -> Option<Vec<bool>> {
            let same: Vec<bool> = match (self.kind(sheet), literal(value)) {
                (Kind::Text, _) | (_, None) => {
                    cells().map(|cell| cell.is_some_and(|cell| folded(cell) == folded(value))).collect()
                }
                (_, Some(value)) => rows
                    .clone()
                    .map(|row| compare(self.subject, row, value, sheet) == Some(Ordering::Equal))
                    .collect(),
            };
            any(same).or_else(|| like(value))
        };
        let held: Vec<bool> = match &self.test {
            Test::Is(values) => {
                let mut held = vec![false; sheet.rows.len()];
                for value in values {
                    // What no row is was not understood.
                    for (held, equal) in held.iter_mut().zip(equal(value)?) {
                        *held |= equal;
                    }
                }
                held
            }
            Test::Like(texts) => {
                let mut held = vec![false; sheet.rows.len()];
                for text in texts {
                    for (held, like) in held.iter_mut().zip(like(text).or_else(|| equal(text))?) {
                        *held |= like;
                    }
                }
                held
            }
            Test::Beyond(direction, or_equal, value) => {
                self.compared(value, sheet, |order| order == *direction || *or_equal && order.is_eq())?
            }
            Test::BeyondRow(direction, _) => {
                let value = key(self.subject, self.other_row(sheet)?, sheet)?;
                let order = |row| compare(self.subject, row, value, sheet);
                rows.clone().map(|row| order(row) == Some(*direction)).collect()
            }
            Test::Blank => return None,
            Test::Between(from, to) => {
                let least = self.compared(from, sheet, Ordering::is_ge)?;
                let most = self.compared(to, sheet, Ordering::is_le)?;
                least.into_iter().zip(most).map(|(least, most)| least && most).collect()
            }
        };
        // An empty cell says nothing, nor that it is not so.
        Some(held.into_iter().zip(cells()).map(|(held, cell)| held != self.not && cell.is_some()).collect())
    }

    fn compared(&self, value: &str, sheet: &Sheet, is: impl Fn(Ordering) -> bool) -> Option<Vec<bool>> {
        let value = literal(value)?;
        if self.kind(sheet) == Kind::Text {
            return None;
        }
        Some(
            (0..sheet.rows.len())
                .map(|row| compare(self.subject, row, value, sheet).is_some_and(&is))
                .collect(),
        )
    }

    fn kind(&self, sheet: &Sheet) -> Kind {
        match self.subject {
            Subject::Row => Kind::Number,
            Subject::Column(column) => sheet.columns[column].kind,
        }
    }
}

impl Figure {
    fn of(self, rows: &[usize], sheet: &Sheet) -> Option<Found> {
        if let (Function::Least | Function::Most, Some(column)) = (self.function, self.column) {
            return self.end(column, rows, sheet);
        }
        let value = self.value(rows, sheet)?;
        let Some(column) = self.column else {
            return Some(Found { text: written(value, Unit::Plain), rows: rows.to_vec() });
        };
        match self.function {
            Function::Count => {
                let counted =
                    rows.iter().copied().filter(|&row| !is_blank(sheet.rows[row].cells[column])).collect();
                Some(Found { text: written(value, Unit::Plain), rows: counted })
            }
            Function::Sum | Function::Average => {
                let added = rows.iter().copied().filter(|&row| sheet.value(row, column).is_some()).collect();
                Some(Found { text: written(value, sheet.unit(rows, column)?), rows: added })
            }
            Function::Least | Function::Most => None,
        }
    }

    /// The cell with the least or most of a column, and the rows that have as much.
    fn end(self, column: usize, rows: &[usize], sheet: &Sheet) -> Option<Found> {
        let filled: Vec<usize> =
            rows.iter().copied().filter(|&row| !is_blank(sheet.rows[row].cells[column])).collect();
        let most = self.function == Function::Most;
        let all_compare = filled.iter().all(|&row| sheet.value(row, column).is_some());
        let ends = first_of(filled, most, Some(1), |&row| sheet.value(row, column));
        let rows = ends.filter(|_| all_compare)?;
        let text = sheet.rows[*rows.first()?].cells[column].to_owned();
        Some(Found { text, rows })
    }

    fn value(self, rows: &[usize], sheet: &Sheet) -> Option<f64> {
        let Some(column) = self.column else {
            return (self.function == Function::Count).then_some(rows.len() as f64);
        };
        let filled = || rows.iter().filter(|&&row| !is_blank(sheet.rows[row].cells[column]));
        if self.function == Function::Count {
            let mut cells: Vec<String> = filled().map(|&row| folded(sheet.rows[row].cells[column])).collect();
            if self.distinct {
                cells.sort();
                cells.dedup();
            }
            return Some(cells.len() as f64);
        }
        if sheet.columns[column].kind != Kind::Number {
            return None;
        }
        // A sum that leaves a cell out is none.
        let numbers: Vec<f64> = filled()
            .map(|&row| match sheet.value(row, column) {
                Some(Value::Number(number)) => Some(number),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let (sum, count) = (numbers.iter().sum::<f64>(), numbers.len());
        match self.function {
            _ if count == 0 => None,
            Function::Count => None,
            Function::Sum => Some(sum),
            Function::Average => Some(sum / count as f64),
            Function::Least => numbers.into_iter().reduce(f64::min),
            Function::Most => numbers.into_iter().reduce(f64::max),
        }
    }
}

/// The first `limit` by what they are ordered by, and those alike the last of them. `None` where there is nothing to order by.
fn first_of<T>(
    all: Vec<T>,
    descending: bool,
    limit: Option<usize>,
    key: impl Fn(&T) -> Option<Value>,
) -> Option<Vec<T>> {
    let mut keyed: Vec<(Value, T)> = all.into_iter().filter_map(|one| Some((key(&one)?, one))).collect();
    let order = |a: &Value, b: &Value| {
        let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
        if descending { order.reverse() } else { order }
    };
    keyed.sort_by(|(a, _), (b, _)| order(a, b));
    let limit = limit.unwrap_or(keyed.len());
    let last = keyed.get(limit.saturating_sub(1)).or(keyed.last())?.0;
    Some(keyed.into_iter().take_while(|(value, _)| order(value, &last).is_le()).map(|(_, one)| one).collect())
}

/// None of an empty cell, and of the place of a row.
fn cell<'a>(subject: Subject, row: usize, sheet: &Sheet<'a>) -> Option<&'a str> {
    match subject {
        Subject::Row => Some(""),
        Subject::Column(column) => Some(sheet.rows[row].cells[column]).filter(|cell| !is_blank(cell)),
    }
}

fn key(subject: Subject, row: usize, sheet: &Sheet) -> Option<Value> {
    match subject {
        Subject::Row => Some(Value::Number(row as f64 + 1.0)),
        Subject::Column(column) => sheet.value(row, column),
    }
}

/// How a row stands to a number or a date. A year is compared with the year of a date.
fn compare(subject: Subject, row: usize, value: Value, sheet: &Sheet) -> Option<Ordering> {
    match (key(subject, row, sheet)?, value) {
        (Value::Number(held), Value::Number(asked)) => held.partial_cmp(&asked),
        (Value::Date([year, ..]), Value::Number(asked)) if year > 0 => f64::from(year).partial_cmp(&asked),
        (Value::Date(held), Value::Date(asked)) => {
            // What one of them does not state is not compared.
            let both = held.iter().zip(&asked).filter(|(held, asked)| **held > 0 && **asked > 0);
            Some(
                both.map(|(held, asked)| held.cmp(asked))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal),
            )
        }
        _ => None,
    }
}

/// The number or date that a literal is.
fn literal(text: &str) -> Option<Value> {
    if let Some((number, _)) = number(text) {
        return Some(Value::Number(number));
    }
    match facts(text).first()?.fact {
        Fact::Date { year, month, day, .. } => Some(Value::Date([year, u16::from(month), u16::from(day)])),
        Fact::Number { .. } => None,
    }
}

/// Whether a cell holds the words of a text.
pub(crate) fn is_like(cell: &str, text: &str) -> bool {
    holds(&folded(cell), &folded(text))
}

/// The same of both [`folded`].
pub(crate) fn holds(cell: &str, text: &str) -> bool {
    let ends = |at: usize| cell[at..].is_empty() || cell[at..].starts_with(' ');
    let whole = |(at, part): (usize, &str)| (at == 0 || cell[..at].ends_with(' ')) && ends(at + part.len());
    !text.is_empty() && cell.match_indices(text).any(whole)
}

/// A cell as it is compared: its words without their inflection and what stands between them, so that `hotels` is `Hotel`.
pub(crate) fn folded(text: &str) -> String {
    let stems: Vec<String> = tokens(text).into_iter().map(|token| token.stem).collect();
    if stems.is_empty() { text.trim().to_owned() } else { stems.join(" ") }
}

/// A number as it is read, with at most two digits behind the point, and two where it is money. A year has no comma.
fn written(value: f64, unit: Unit) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    let plain = format!("{:.2}", rounded.abs());
    let (whole, rest) = plain.split_once('.').unwrap_or((&plain, ""));
    let is_money = !matches!(unit, Unit::Plain | Unit::Percent);
    let rest = match rest {
        "00" => "",
        rest if is_money => rest,
        rest => rest.trim_end_matches('0'),
    };
    let groups = whole.as_bytes().rchunks(3).rev().filter_map(|part| std::str::from_utf8(part).ok());
    let is_long = whole.len() > if is_money { 3 } else { 4 };
    let whole = if is_long { groups.collect::<Vec<_>>().join(",") } else { whole.to_owned() };
    let number = if rest.is_empty() { whole } else { format!("{whole}.{rest}") };
    let sign = if rounded < 0.0 { "-" } else { "" };
    match unit {
        Unit::Plain => format!("{sign}{number}"),
        Unit::Percent => format!("{sign}{number} %"),
        Unit::Dollar => format!("{sign}${number}"),
        Unit::Euro => format!("{sign}€{number}"),
        Unit::Pound => format!("{sign}£{number}"),
        Unit::Yen => format!("{sign}¥{number}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::sheet::tests::{of, sheet};
    use super::super::syntax::parse;
    use super::*;

    pub(crate) const INVOICES: &str = "Customer | Net | Paid | Rate\n\
                            Harbour Authority | 1,200.50 € | 2024-05-08 | 3.125\n\
                            Wexcombe Water | 800 € | | 2.5\n\
                            Harbour Authority | 400 € | 2024-06-03 | 1\n\
                            Alda Bridge | 800 € | 2023-01-31 | 0.5\n\
                            Total | 3,200.50 € | | 7.125";

    fn check(query: &str, expected: Option<(&str, &[usize])>) {
        let passages = sheet(INVOICES);
        let sheet = of(&passages);
        let found = parse(query, &sheet).unwrap_or_else(|| panic!("{query} is none")).run(&sheet);
        let expected =
            expected.map(|(text, rows)| vec![Found { text: text.to_owned(), rows: rows.to_vec() }]);
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn rows_are_counted_added_up_and_compared() {
        for (query, expected) in [
            ("SELECT COUNT(*) FROM data", Some(("4", &[0, 1, 2, 3][..]))),
            ("SELECT COUNT(DISTINCT customer) FROM data", Some(("3", &[0, 1, 2, 3]))),
            ("SELECT SUM(net) FROM data", Some(("€3,200.50", &[0, 1, 2, 3]))),
            ("SELECT SUM(rate) FROM data", Some(("7.13", &[0, 1, 2, 3]))),
            ("SELECT AVG(net) FROM data WHERE customer LIKE 'harbour authority'", Some(("€800.25", &[0, 2]))),
            ("SELECT MAX(net) FROM data", Some(("1,200.50 €", &[0]))),
            ("SELECT MIN(net) FROM data WHERE paid < 2024", Some(("800 €", &[3]))),
            ("SELECT MIN(net) FROM data WHERE net >= 800", Some(("800 €", &[1, 3]))),
            ("SELECT MAX(paid) FROM data WHERE net < 1000", Some(("2024-06-03", &[2]))),
            ("SELECT MAX(customer) FROM data", None),
            ("SELECT customer FROM data WHERE paid IS NULL", Some(("Wexcombe Water", &[1]))),
            ("SELECT COUNT(*) FROM data WHERE paid IS NOT NULL", Some(("3", &[0, 2, 3]))),
            ("SELECT COUNT(*) FROM data WHERE net > 9000", Some(("0", &[0, 1, 2, 3]))),
            ("SELECT COUNT(*) FROM data WHERE net > 9000 AND paid IS NOT NULL", None),
            ("SELECT customer FROM data WHERE net > 9000", None),
            ("SELECT COUNT(*) FROM data WHERE paid LIKE 'May 2024'", Some(("1", &[0]))),
            (
                "SELECT customer FROM data WHERE net NOT IN ('400')",
                Some(("Harbour Authority, Wexcombe Water, Alda Bridge", &[0, 1, 3])),
            ),
            (
                "SELECT customer FROM data WHERE net BETWEEN 500 AND 900 OR row = 1",
                Some(("Harbour Authority, Wexcombe Water, Alda Bridge", &[0, 1, 3])),
            ),
            ("SELECT SUM(net) FROM data WHERE customer LIKE 'nobody'", None),
            ("SELECT SUM(customer) FROM data", None),
        ] {
            check(query, expected);
        }
    }

    #[test]
    fn what_comes_first_comes_with_what_is_alike() {
        check("SELECT customer FROM data ORDER BY net DESC LIMIT 1", Some(("Harbour Authority", &[0])));
        let alike = Some(("Harbour Authority, Wexcombe Water, Alda Bridge", &[0, 1, 3][..]));
        check("SELECT customer FROM data ORDER BY net DESC LIMIT 2", alike);
        check("SELECT customer FROM data ORDER BY row DESC LIMIT 1", Some(("Alda Bridge", &[3])));
        check("SELECT customer FROM data ORDER BY paid ASC LIMIT 1", Some(("Alda Bridge", &[3])));
        let most = "SELECT customer FROM data GROUP BY customer ORDER BY COUNT(*) DESC LIMIT 1";
        check(most, Some(("Harbour Authority", &[0, 2])));
        check(
            "SELECT customer FROM data GROUP BY customer ORDER BY SUM(net) ASC LIMIT 1",
            Some(("Wexcombe Water, Alda Bridge", &[1, 3])),
        );
        check("SELECT customer FROM data ORDER BY customer ASC LIMIT 1", None);
    }

    #[test]
    fn what_is_of_two_currencies_is_not_added_up() {
        let passages = sheet("Customer | Net\nAlda | 900 €\nBerta | $800\nCedar | 100");
        let sheet = of(&passages);
        let run = |query: &str| parse(query, &sheet).unwrap().run(&sheet)?.pop().map(|found| found.text);
        assert_eq!(run("SELECT SUM(net) FROM data"), None);
        let one = |customer: &str| format!("(SELECT net FROM data WHERE customer LIKE '{customer}')");
        assert_eq!(run(&format!("SELECT {} - {}", one("Alda"), one("Berta"))), None);
        let two = "SELECT SUM(net) FROM data WHERE customer IN ('Alda', 'Cedar')";
        assert_eq!(run(two).as_deref(), Some("€1,000"));
    }

    #[test]
    fn two_numbers_are_told_apart() {
        let of = |customer: &str| format!("(SELECT net FROM data WHERE customer LIKE '{customer}')");
        check(&format!("SELECT {} - {}", of("Alda"), of("Wexcombe")), Some(("€0", &[3, 1])));
        let sum = "(SELECT SUM(net) FROM data WHERE customer LIKE 'Harbour')";
        check(&format!("SELECT {} - {sum}", of("Alda")), Some(("€800.50", &[3, 0, 2])));
        check(&format!("SELECT {} - {}", of("Harbour"), of("Alda")), None);
    }

    #[test]
    fn a_share_is_that_of_some_rows_among_more() {
        let of = |conditions: &str| format!("(SELECT SUM(net) FROM data{conditions})");
        let check = |part: &str, whole: &str, expected| {
            check(&format!("SELECT {} / {}", of(part), of(whole)), expected);
        };
        let alda = " WHERE customer LIKE 'Alda'";
        check(alda, "", Some(("25 %", &[3, 0, 1, 2, 3])));
        check("", alda, None);
        check(alda, " WHERE customer LIKE 'Alda Bridge'", None);
        check(alda, " WHERE customer LIKE 'Wexcombe'", None);
    }

    #[test]
    fn rows_are_grouped_by_what_they_have_in_common() {
        let grouped = |query: &str| -> Option<Vec<String>> {
            let passages = sheet(INVOICES);
            let sheet = of(&passages);
            let found = parse(query, &sheet).unwrap_or_else(|| panic!("{query} is none")).run(&sheet)?;
            Some(found.into_iter().map(|found| format!("{} {:?}", found.text, found.rows)).collect())
        };
        for (query, expected) in [
            (
                "SELECT AVG(net) FROM data GROUP BY customer",
                Some(vec![
                    "Harbour Authority: €800.25 [0, 2]",
                    "Wexcombe Water: €800 [1]",
                    "Alda Bridge: €800 [3]",
                ]),
            ),
            (
                "SELECT COUNT(*) FROM data GROUP BY MONTH(paid)",
                Some(vec!["2023-01: 1 [3]", "2024-05: 1 [0]", "2024-06: 1 [2]"]),
            ),
            ("SELECT SUM(net) FROM data WHERE net > 1000 GROUP BY customer", None),
            ("SELECT SUM(customer) FROM data GROUP BY net", None),
            ("SELECT net FROM data GROUP BY customer", None),
        ] {
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect());
            assert_eq!(grouped(query), expected, "{query}");
        }
    }

    #[test]
    fn two_that_are_named_are_one_condition() {
        let both = "customer LIKE 'Alda' OR customer LIKE 'Wexcombe' AND net = 800";
        check(&format!("SELECT COUNT(*) FROM data WHERE {both}"), Some(("2", &[1, 3])));
        let apart = "net = 400 OR customer LIKE 'Alda' AND net = 1200.5";
        check(&format!("SELECT COUNT(*) FROM data WHERE {apart}"), Some(("1", &[2])));
    }
}
