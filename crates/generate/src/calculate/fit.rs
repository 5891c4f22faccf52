//! Whether a query asks for what its question asks for.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use carrel_corpus::Embedder;
use regex::Regex;

use super::OF_ALL;
use super::query::{
    Between, By, Condition, Figure, Function, Group, Part, Query, Select, Subject, Test, What,
};
use super::said::{COUNTED, EACH, Said};
use super::sheet::{Column, Kind, Sheet, is_blank, spaced};
use crate::Error;
use crate::facts::{Fact, facts, names, stated};
use crate::language::{Language, language};
use crate::tasks::pattern;
use crate::text::{dot, is_negation};
use crate::words::content_stems;

/// What is told by the rows before or behind one, unless a query steps to them, or by what is best: none asks for that.
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
        r"(?i)\b(?:averages?|(?:the|an?)\s+mean|mean\s+(?:of|value)|durchschnitt\w*|im\s+(?:schnitt|mittel)|promedio|media|moyennes?)\b|平均|средн",
    )
});
/// What asks for the end of an order where the numbers are small, and where they are great. `At least` is neither.
static LEAST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(?:the|\w+(?:ed|s))\s+least|fewest|lowest|smallest|shortest|cheapest|minimum|min|wenigsten|niedrigste\w*|kleinste\w*|kürzeste\w*|billigste\w*|günstigste\w*|menos|mínim[oa]|menor|moindre|le\s+moins)\b|最低|最少|最小|最便宜",
    )
});
static MOST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(?:the|\w+(?:ed|s))\s+most|highest|largest|biggest|greatest|longest|tallest|heaviest|maximum|max|meisten?|höchste\w*|größte\w*|längste\w*|teuerste\w*|máxim[oa]|mayor|le\s+plus)\b|最高|最多|最大|最贵",
    )
});
static OF_MANY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:most|least|fewest|am\s+(?:meisten|wenigsten)|más|menos|le\s+(?:plus|moins))\b|最多|最少",
    )
});
/// What is added up where it stands in many rows.
static SPENDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:costs?|spen[dt]s?|paid|pays?|bought|buys?|sold|sells?|ordered|claim(?:s|ed)?|bill(?:s|ed)|work(?:s|ed)?|used?|uses|earned|kostet\w*|bezahlt\w*|gearbeitet|gastó|cuesta|coûte|dépensé)\s+(?:us\s+)?(?:(?:the\s+)?(?:most|least)|am\s+(?:meisten|wenigsten)|más|menos|le\s+(?:plus|moins))\b|\bam\s+(?:meisten|wenigsten)\s+(?:kostet|ausgegeben|bezahlt|gearbeitet)\w*",
    )
});
/// What asks for a price, and what a column of prices is called.
static COSTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:costs?|costing|expensive|cheap\w*|kost\w+|teuer\w*|billig\w*|cuestan?|coûtent|coûte)\b",
    )
});
static PRICE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:prices?|costs?|preise?|kosten|precios?|prix)\b"));
/// What comes first or last, by the place in the table or a date.
static FIRST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:first|top|earliest|oldest|zuerst|erste[nrs]?|früheste[nrs]?|älteste[nrs]?|primer[oa]?|premi(?:er|ère))\b|第一|最早",
    )
});
static LAST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:last|bottom|latest|newest|recent(?:ly)?|zuletzt|letzte[nrs]?|neueste[nrs]?|späteste[nrs]?|últim[oa]|dernière?)\b|最后|最新",
    )
});
/// What asks for an amount.
static HOW_MUCH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*(?:how\s+much|what\s+(?:\w+\s+)?(?:does|do|did)|what\s+is\s+(?:still\s+)?(?:owed|owing|due|unpaid|outstanding|open)|wie\s?viel|was\s+(?:schuldet|ist)|welche\s+summe|cuánto|qué\s+debe|combien|que\s+doit)\b",
    )
});
/// What a column is called whose numbers count nothing.
static IDENTIFIER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:no|nr|num|number|nummer|número|numéro|id|code|ref(?:erence)?)\b"));
/// What a column is called whose amounts leave nothing out.
static WHOLE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:total|gross|due|brutto|gesamt\w*|importe\s+total|ttc)\b"));
/// What tables call anything, and what is made of their columns.
const GENERIC: &str = "total number name amount count list row table sum Summe Anzahl Betrag Höhe Durchschnitt Anteil \
                       Prozentsatz Unterschied Differenz";

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

    /// A query as the question means it, where a small model writes a simpler one.
    pub fn meant(&self, mut query: Query) -> Query {
        if let Some(column) = self.counted(&query) {
            let figure = Figure { function: Function::Count, column: Some(column), distinct: true };
            query.first.what = What::Figure(figure);
        } else if let Some((group, figure)) = self.added_up(&query) {
            query.first.group = Some(group);
            query.first.order.iter_mut().for_each(|order| order.by = By::Figure(figure));
        }
        if let Some(figure) = self.owed(&query) {
            query.first.what = What::Figure(figure);
        }
        for figure in query.figures_mut() {
            figure.column = figure.column.map(|column| self.added(figure.function, column));
        }
        query
    }

    /// The column that is added up: of those with numbers the only one that the question names, where it does not name this one. Where
    /// it names none, and asks what is not paid, that is the amount with everything in it.
    fn added(&self, function: Function, column: usize) -> usize {
        let numbers = |is: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let columns = 0..self.sheet.columns.len();
            columns.filter(|&at| self.sheet.columns[at].kind == Kind::Number && is(at)).collect()
        };
        let named = numbers(&|at| !self.labels(at).is_disjoint(&self.stems));
        let whole = || numbers(&|at| WHOLE.is_match(&spaced(self.sheet.columns[at].label)));
        match (function, named.as_slice()) {
            (Function::Sum | Function::Average, [named]) => *named,
            (Function::Sum, []) if !self.said.lacking.is_empty() => match whole()[..] {
                [whole] => whole,
                _ => column,
            },
            _ => column,
        }
    }

    /// What is owed is the sum of what is not paid, where a query lists it.
    fn owed(&self, query: &Query) -> Option<Figure> {
        let Select { what: What::Cells(subjects), step: 0, group: None, order: None, .. } = &query.first
        else {
            return None;
        };
        let [Subject::Column(column)] = subjects.as_slice() else { return None };
        let Column { kind, label, .. } = &self.sheet.columns[*column];
        let is_number =
            *kind == Kind::Number && !IDENTIFIER.is_match(&spaced(label)) && query.second.is_none();
        let asks = !self.said.lacking.is_empty() && HOW_MUCH.is_match(self.question);
        (is_number && asks).then_some(Figure {
            function: Function::Sum,
            column: Some(*column),
            distinct: false,
        })
    }

    /// The column of texts whose different cells a question counts that asks `how many employees`, where a query counts rows and
    /// names no such column.
    fn counted(&self, query: &Query) -> Option<usize> {
        const ROWS: Figure = Figure { function: Function::Count, column: None, distinct: false };
        let (What::Figure(ROWS), None) = (&query.first.what, &query.second) else { return None };
        let what = COUNTED.captures(self.question)?.name("what")?.as_str();
        let what = Some(content_stems(what)).filter(|what| !what.is_empty())?;
        let mut named = (0..self.sheet.columns.len())
            .filter(|&column| self.sheet.columns[column].kind == Kind::Text && self.labels(column) == what);
        named.next().filter(|column| !query.columns().contains(column))
    }

    /// What stands in many rows, and the sum by which it has the most or least, where a query takes it from one row.
    fn added_up(&self, query: &Query) -> Option<(Group, Figure)> {
        let Select { what: What::Cells(subjects), order: Some(order), group: None, limit: Some(1), .. } =
            &query.first
        else {
            return None;
        };
        let ([Subject::Column(name)], By::Subject(Subject::Column(number))) =
            (subjects.as_slice(), &order.by)
        else {
            return None;
        };
        let adds = SPENDS.is_match(self.question) && self.repeats(&query.first);
        let is_number = self.sheet.columns[*number].kind == Kind::Number;
        (adds && is_number).then_some((
            Group { column: *name, part: Part::Whole },
            Figure { function: Function::Sum, column: Some(*number), distinct: false },
        ))
    }

    /// Whether a query says no more than the question does, and leaves nothing out that it says: no figure, no name, no cell and no
    /// column.
    pub fn is_met_by(&self, query: &Query, embedder: &dyn Embedder) -> Result<bool, Error> {
        let used: BTreeSet<usize> = query.columns().into_iter().collect();
        let mut covered: BTreeSet<String> = query.literals().flat_map(content_stems).collect();
        covered.extend(used.iter().flat_map(|&column| self.labels(column)));
        // `unpaid` asks for those that hold nothing under `paid`, or no `yes`.
        let denied = query.conditions().filter(|part| part.test == Test::Blank || part.not);
        let denied: Vec<usize> = denied.flat_map(|part| part.subject.column()).collect();
        covered.extend(denied.iter().flat_map(|&column| self.labels(column)).map(|stem| format!("un{stem}")));
        let pending = denied.iter().filter_map(|&column| self.sheet.columns[column].pending);
        covered.extend(pending.flat_map(content_stems));
        let lists = |select: &Select| {
            let holds_any = |part: &Condition| part.test == Test::Blank && part.not;
            matches!(select.what, What::Cells(_)) && select.conditions.iter().flatten().any(holds_any)
        };
        let empties = !query.selects().any(lists)
            && query.conditions().all(|part| part.test != Test::Blank || part.not != self.said.denies);
        let tells = self.tells(query, &used);
        covered.extend(content_stems(self.about));
        covered.extend(content_stems(GENERIC));
        let compares = query.conditions().any(|part| is_beyond(&part.test));
        let fits = self.has_both(query)
            && empties
            && !self.said.denies_twice
            && self.said.lacking.iter().all(|column| denied.contains(column))
            && (compares || query.first.step != 0 || !ORDERED.is_match(self.question))
            && self.has_every_flag(query)
            && !BEST.is_match(self.question)
            && self.has_every_measure(query, &used)
            && self.has_each(query, &used)
            && self.has_every_figure(query, &used)
            && self.has_every_name(&covered)
            && self.has_every_column(query, &used, &covered)
            && self.has_every_cell(&covered);
        if !fits || !self.groups(query, embedder)? || !self.compares(query, embedder)? {
            return Ok(false);
        }
        for select in query.selects() {
            if !self.chooses(select) || !self.orders(select, tells, embedder)? {
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
        averages && self.has_every_end(query)
    }

    /// Whether the least of a column, or what comes first by it, is not taken for the most or the last, and whether an end is asked for
    /// at all.
    fn has_every_end(&self, query: &Query) -> bool {
        let asks = |words: &Regex| words.is_match(self.question);
        let is_time = |subject: Subject| {
            subject.column().is_none_or(|column| self.sheet.columns[column].kind == Kind::Date)
        };
        let orders = query.selects().filter_map(|select| select.order.as_ref()).all(|order| {
            let time = matches!(order.by, By::Subject(subject) if is_time(subject));
            let (low, high) = if time { (&FIRST, &LAST) } else { (&LEAST, &MOST) };
            !asks(if order.descending { low } else { high })
        });
        let ends = query.figures().all(|figure| {
            let (Function::Least | Function::Most, Some(column)) = (figure.function, figure.column) else {
                return true;
            };
            let most = figure.function == Function::Most;
            if is_time(Subject::Column(column)) {
                return asks(if most { &LAST } else { &FIRST });
            }
            let is_asked = asks(&LEAST) || asks(&MOST) || asks(&OF_MANY);
            !asks(if most { &LEAST } else { &MOST })
                && (is_asked || !self.labels(column).is_disjoint(&self.stems))
        });
        orders && ends
    }

    /// Whether two numbers are compared where the question asks for that, each with another one; of a share both count the same.
    fn has_both(&self, query: &Query) -> bool {
        let Some((between, second)) = &query.second else { return self.said.between.is_none() };
        let counts_the_same = *between == Between::Difference || query.first.what == second.what;
        self.said.between == Some(*between) && *second != query.first && counts_the_same
    }

    /// Whether what a column says yes or no to is required as the question says it.
    fn has_every_flag(&self, query: &Query) -> bool {
        query.conditions().all(|part| {
            let yes = part.subject.column().and_then(|column| self.sheet.columns[column].yes);
            yes.is_none_or(|yes| part.not == self.said.denies || !part.test.values().contains(&yes))
        })
    }

    /// Whether a figure is given of each where the question asks for that, unless a column holds it.
    fn has_each(&self, query: &Query, used: &BTreeSet<usize>) -> bool {
        let is_held = |&column: &usize| EACH.is_match(&spaced(self.sheet.columns[column].label));
        match (&query.first.what, query.first.group) {
            (What::Figure(_), Some(group)) => self.said.groups.contains(&group),
            _ => self.said.groups.is_empty() && (!EACH.is_match(self.question) || used.iter().any(is_held)),
        }
    }

    /// Whether rows are grouped by what the question names, or by the column of texts that is nearest to it.
    fn groups(&self, query: &Query, embedder: &dyn Embedder) -> Result<bool, Error> {
        let (What::Figure(_), Some(Group { column, part: Part::Whole })) =
            (&query.first.what, query.first.group)
        else {
            return Ok(true);
        };
        let is_named = !self.labels(column).is_disjoint(&self.stems);
        Ok(is_named || self.is_nearest(column, &self.said.each, Kind::Text, embedder)?)
    }

    /// Whether a query uses a column that the question names, or a cell. A bare number may be one of anything.
    fn tells(&self, query: &Query, used: &BTreeSet<usize>) -> bool {
        let is_bare = |column: usize| {
            self.sheet.columns[column].kind == Kind::Number && !self.sheet.tells_years(column)
        };
        let of_cells = query.conditions().filter(|part| !part.subject.column().is_some_and(is_bare));
        let mut told: BTreeSet<String> =
            of_cells.flat_map(|part| part.test.values()).flat_map(content_stems).collect();
        told.extend(used.iter().flat_map(|&column| self.labels(column)));
        let lacking = self.said.lacking.iter().any(|column| used.contains(column));
        lacking || !told.is_disjoint(&self.stems)
    }

    /// Whether numbers are compared that the question names, or that are nearest to it: not any that are less than a thousand.
    fn compares(&self, query: &Query, embedder: &dyn Embedder) -> Result<bool, Error> {
        let about = content_stems(self.about);
        for part in query.conditions() {
            let Some(column) = part.subject.column() else { continue };
            let kind = self.sheet.columns[column].kind;
            let beyond_row = matches!(part.test, Test::BeyondRow(..));
            // More invoices are not a greater amount.
            let counts = |stem: &String| about.contains(stem) && !self.labels(column).contains(stem);
            if beyond_row && self.said.than.iter().any(counts) {
                return Ok(false);
            }
            let compared = is_beyond(&part.test) && (kind == Kind::Number || beyond_row);
            let label = spaced(self.sheet.columns[column].label);
            let is_named = !self.labels(column).is_disjoint(&self.stems)
                || self.sheet.tells_years(column)
                || COSTS.is_match(self.question) && PRICE.is_match(&label);
            if compared && !is_named && !self.is_nearest(column, self.question, kind, embedder)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a column is near to a text, and no other of its kind nearer.
    fn is_nearest(
        &self,
        column: usize,
        text: &str,
        kind: Kind,
        embedder: &dyn Embedder,
    ) -> Result<bool, Error> {
        let near = nearest(text, self.sheet, |other| other.kind == kind, embedder)?;
        // What stands beside a date tells less of it than its being one.
        Ok(near.is_some_and(|(near, nearest)| nearest == column && (near >= NEAR || kind == Kind::Date)))
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
            // `Which stop` asks for its name, and not for its number.
            if query.first.step != 0 {
                return self.sheet.columns[column].kind == Kind::Number;
            }
            let figure = match (&query.first.what, query.first.order.as_ref().map(|order| &order.by)) {
                (What::Figure(figure), _) | (_, Some(By::Figure(figure))) if query.second.is_none() => figure,
                _ => return false,
            };
            let of_each = query.first.group.is_some() && matches!(query.first.what, What::Figure(_));
            if figure.function == Function::Sum && !of_each {
                return self.sheet.columns[column].yes.is_none();
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

    /// Whether a selection chooses: it is no list of all there is, unless nothing else is asked for, nor of what it requires.
    fn chooses(&self, select: &Select) -> bool {
        let What::Cells(subjects) = &select.what else { return true };
        if let ([Subject::Column(column)], [], None) =
            (subjects.as_slice(), select.conditions.as_slice(), &select.order)
        {
            let mut known = self.labels(*column);
            known.extend(content_stems(self.about));
            return self.sheet.columns[*column].kind == Kind::Text && self.stems.is_subset(&known);
        }
        let is_one = |test: &Test| {
            !matches!(test, Test::Is(values) | Test::Like(values) if values.len() > 1) && *test != Test::Blank
        };
        let required = |part: &Condition| !part.not && is_one(&part.test) && subjects.contains(&part.subject);
        let says_it_again = select.step == 0
            && select.conditions.len() == 1
            && select.conditions.iter().flatten().any(required);
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

    /// Whether the rows that come first do so by what the question names, or by the column of numbers that is nearest to it: by
    /// that alone where nothing else `tells` that the table answers the question.
    fn orders(&self, select: &Select, tells: bool, embedder: &dyn Embedder) -> Result<bool, Error> {
        let comes_at_an_end = FIRST.is_match(self.question) || LAST.is_match(self.question);
        let column = match select.order.as_ref().map(|order| &order.by) {
            None | Some(By::Figure(_)) => return Ok(tells),
            Some(By::Subject(Subject::Row)) => return Ok(tells && comes_at_an_end),
            Some(By::Subject(Subject::Column(column))) => *column,
        };
        if !comes_at_an_end && !OF_ALL.is_match(self.question) {
            return Ok(false);
        }
        // Who has the most of what stands in many rows is not told by one of them.
        if OF_MANY.is_match(self.question) && self.repeats(select) {
            return Ok(false);
        }
        let is_date = self.sheet.columns[column].kind == Kind::Date;
        let is_named = !self.labels(column).is_disjoint(&self.stems) || is_date && comes_at_an_end;
        let is_number = |column: &&Column| column.kind == Kind::Number && !column.label.is_empty();
        let mut numbers = self.sheet.columns.iter().filter(is_number).map(|column| &column.name);
        let is_only = numbers.next() == Some(&self.sheet.columns[column].name) && numbers.next().is_none();
        if tells && (is_named || is_only) {
            return Ok(true);
        }
        self.is_nearest(column, self.question, Kind::Number, embedder)
    }
}

/// Whether what stands in a cell is compared with something by its size or its time.
fn is_beyond(test: &Test) -> bool {
    matches!(test, Test::Beyond(..) | Test::BeyondRow(..) | Test::Between(..))
}

/// The column whose label is nearest to a text, and how near it is, as a cosine.
pub(super) fn nearest(
    text: &str,
    sheet: &Sheet,
    is: impl Fn(&Column) -> bool,
    embedder: &dyn Embedder,
) -> Result<Option<(f32, usize)>, Error> {
    let named = |&at: &usize| !sheet.columns[at].label.is_empty() && is(&sheet.columns[at]);
    let columns: Vec<usize> = (0..sheet.columns.len()).filter(named).collect();
    let labels: Vec<String> = columns.iter().map(|&column| spaced(sheet.columns[column].label)).collect();
    let query = embedder.query(text)?;
    let vectors = embedder.passages(&labels.iter().map(String::as_str).collect::<Vec<_>>())?;
    let near = columns.iter().zip(&vectors).map(|(&column, vector)| (dot(vector, &query), column));
    Ok(near.max_by(|a, b| a.0.total_cmp(&b.0)))
}
