//! Answers that no sentence gives, computed from the rows of a table: how many, how much together, which has the most.
//!
//! A model that reads a table guesses at its sums. So it is shown the names of the columns and a few rows, and writes a query
//! in a small part of SQL, to which its output is held. The query is run here over every row, and the rows that make the answer
//! are cited. It counts only where it asks for nothing that the question does not say, and leaves out nothing that it does.

mod fit;
mod overview;
mod query;
mod said;
mod sheet;
mod syntax;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::LazyLock;

use carrel_corpus::{
    Answer, ChunkId, Citation, Claim, DocumentId, Embedder, Generator, Passage, Span, Support,
};
use regex::Regex;

use self::fit::Asked;
pub(crate) use self::overview::overview;
use self::query::{
    Between, By, Condition, Figure, Found, Function, Part, Query, ROW, Select, Subject, Test, What,
};
use self::said::{EACH, Said, may_lack};
use self::sheet::{Column, Kind, Sheet, spaced};
use crate::answer::{AnswerRequest, Event, Stats};
use crate::evidence::{header_text, is_row};
use crate::hostile::neutralise;
use crate::tasks::pattern;
use crate::words::content_stems;
use crate::{Error, prompt};

/// Passages that are looked through for a table.
const NEAREST: usize = 6;
/// Rows that the model is shown, bytes of a cell of them, and columns of a table that it is shown at all.
const ROWS: usize = 4;
const CELL: usize = 40;
const COLUMNS: usize = 40;
/// Stretches of rows that are cited.
const CITED: usize = 8;
/// Passages of a document whose tables are read.
const READ: usize = 4_000;

/// What only a look at all rows can tell.
static OF_ALL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:how\s+(?:many|much)|number\s+of|total|sum|average|the\s+mean|mean\s+of|most|least|fewest|maximum|minimum|\w{2,}est|wie\s+viele?|wieviele?|anzahl|summe|gesamt\w*|insgesamt|durchschnitt\w*|meisten?|wenigsten?|höchste[nrs]?|niedrigste[nrs]?|cuánt[oa]s?|número\s+de|suma|promedio|máxim[oa]|mínim[oa]|mayor|menor|combien|nombre\s+de|somme|moyenne|maximum)\b|多少|几|总|平均|最|合计",
    )
});

/// What is compared with a number or a date: the rows beyond it are asked for.
static COMPARES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(?:more|less|fewer|greater|higher|lower|longer|shorter|older|younger|cheaper|later|earlier|mehr|weniger|höher|niedriger|länger|kürzer|älter|jünger|billiger|teurer|später|früher)(?:\s+[^\W\d]+){0,2}\s+(?:than|als)|más\s+de|menos\s+de|plus\s+de|moins\s+de|over|under|above|below|exceed\w*|at\s+(?:least|most)|up\s+to|before|after|since|until|between|über|unter|mindestens|höchstens|bis|vor|nach|seit|zwischen|antes\s+de|después\s+de|desde|entre|avant|après|depuis)\s+(?:[^\W\d]+\s+){0,2}\W?\d",
    )
});

/// The answer that a table among the nearest passages gives by being computed with; `None` where there is none, or where the
/// model's query does not fit the question.
pub(crate) fn calculated(
    request: &AnswerRequest,
    generator: &dyn Generator,
    embedder: &dyn Embedder,
    stats: &mut Stats,
    sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Option<Answer>, Error> {
    let mut documents: BTreeMap<DocumentId, Vec<Passage>> = BTreeMap::new();
    let near = near_tables(request)?;
    for passage in &near {
        if let Entry::Vacant(document) = documents.entry(passage.document) {
            document.insert(request.holdings.read(passage.document, None)?);
        }
    }
    let is_of_many = is_of_many(request.asked);
    let mut looked: BTreeSet<ChunkId> = BTreeSet::new();
    let mut best: Option<(Worth, Sheet, String, Said)> = None;
    for passage in near {
        let whole = documents.get(&passage.document).filter(|passages| passages.len() <= READ);
        let Some(whole) = whole.filter(|_| !looked.contains(&passage.chunk)) else { continue };
        let sheet = Sheet::holding(whole, passage.chunk).filter(|sheet| sheet.columns.len() <= COLUMNS);
        let Some(sheet) = sheet else { continue };
        // A long table stands in many passages.
        looked.extend(sheet.chunks());
        let said = Said::of(&sheet, request.asked);
        let is_best = request.passages.first().is_some_and(|best| best.chunk == passage.chunk);
        if !is_best && said.lacking.is_empty() && !is_of_many {
            continue;
        }
        let about = header_text(&passage);
        let worth = worth(&sheet, &about, &said, request.asked, embedder)?;
        // Of a table from further down, the question has to say something.
        let is_near = request.passages.iter().take(NEAREST).any(|near| near.chunk == passage.chunk);
        let is_better = best.as_ref().is_none_or(|(most, ..)| worth > *most);
        if is_better && (is_near || worth.words > 0) {
            best = Some((worth, sheet, about, said));
        }
    }
    let Some((_, sheet, about, said)) = best else { return Ok(None) };
    let table = described(&sheet, &said);
    let asked = prompt::query(&table, request.asked, &syntax::grammar(&sheet, &said));
    let generation = generator.generate(&asked, &mut |_| sink(Event::Delta("")))?;
    stats.add(&generation);
    let written: String = serde_json::from_str(generation.text.trim()).unwrap_or_default();
    let Some(query) = syntax::parse(&written, &sheet) else { return Ok(None) };
    let asked = Asked::new(request.asked, &sheet, &said, &about);
    let query = asked.meant(query);
    if !asked.is_met_by(&query, embedder)? {
        return Ok(None);
    }
    let Some(found) = query.run(&sheet) else { return Ok(None) };
    let answer = answered(request, &query, found, &sheet);
    let _ = sink(Event::Delta(&answer.text));
    for claim in &answer.claims {
        let _ = sink(Event::Claim(claim));
    }
    for note in &answer.notes {
        let _ = sink(Event::Note(note));
    }
    Ok(Some(answer))
}

/// Whether a question may ask about all rows of a table.
fn is_of_many(question: &str) -> bool {
    OF_ALL.is_match(question) || EACH.is_match(question) || COMPARES.is_match(question)
}

/// The passages that hold rows: the best of all, and where the question may ask about all rows those near to it and those of
/// spreadsheets.
fn near_tables(request: &AnswerRequest) -> Result<Vec<Passage>, Error> {
    let holds_rows = |passage: &&Passage| passage.text.lines().filter(|line| is_row(line)).count() >= 2;
    let looks_further = is_of_many(request.asked) || may_lack(request.asked);
    let looked = if looks_further { NEAREST } else { 1 };
    let mut near: Vec<Passage> = request.passages.iter().take(looked).filter(holds_rows).cloned().collect();
    if looks_further {
        let sheets = request.holdings.sheets()?;
        near.extend(sheets.into_iter().filter(|sheet| holds_rows(&sheet)));
    }
    Ok(near)
}

/// By what one table is preferred to another, in this order.
#[derive(PartialEq, PartialOrd)]
struct Worth {
    /// Words of the question that stand in the names of it or of its document, are said of its cells, or deny what they hold.
    words: usize,
    /// Whether what is listed or counted has a row each: which articles there are is told by the list of them, and not by orders.
    has_a_row_each: bool,
    /// How near one of its columns is, where there are no words.
    near: f32,
    /// Of which a summary has the fewest.
    rows: usize,
}

fn worth(
    sheet: &Sheet,
    about: &str,
    said: &Said,
    question: &str,
    embedder: &dyn Embedder,
) -> Result<Worth, Error> {
    let asked = content_stems(question);
    let labels: Vec<BTreeSet<String>> =
        sheet.columns.iter().map(|column| content_stems(&spaced(column.label))).collect();
    let mut known = content_stems(about);
    known.extend(labels.iter().flatten().cloned());
    known.extend(said.texts.iter().flatten().flat_map(|text| content_stems(text)));
    let words = asked.intersection(&known).count() + said.lacking.len();
    let near = match words {
        0 => fit::nearest(question, sheet, |_| true, embedder)?.map_or(0.0, |(near, _)| near),
        _ => 0.0,
    };
    let listed = said::listed(question);
    let repeats = |(at, labels): (usize, &BTreeSet<String>)| {
        sheet.columns[at].kind == Kind::Text && !labels.is_disjoint(&listed) && sheet.repeats(at)
    };
    let has_a_row_each = !labels.iter().enumerate().any(repeats);
    Ok(Worth { words, has_a_row_each, near, rows: sheet.rows.len() })
}

/// The table as the model is shown it.
fn described(sheet: &Sheet, said: &Said) -> String {
    let shortened =
        |cell: &str| neutralise(&cell[..cell.floor_char_boundary(CELL)]).replace(['\n', '\''], " ");
    let columns: Vec<String> = sheet
        .columns
        .iter()
        .map(|column| {
            let kind = match column.kind {
                Kind::Number => "REAL",
                Kind::Date => "DATE",
                Kind::Text => "TEXT",
            };
            format!("{} {kind}", column.name)
        })
        .collect();
    let mut text = format!("CREATE TABLE data ({ROW} INTEGER, {})\n", columns.join(", "));
    for (at, row) in sheet.rows.iter().enumerate().take(ROWS) {
        let cells: Vec<String> = row.cells.iter().map(|cell| shortened(cell)).collect();
        text.push_str(&format!("-- {} | {}\n", at + 1, cells.join(" | ")));
    }
    for (Column { name, .. }, said) in sheet.columns.iter().zip(&said.texts) {
        if !said.is_empty() {
            let said: Vec<String> = said.iter().map(|text| format!("'{text}'")).collect();
            text.push_str(&format!("-- {name} LIKE {}\n", said.join(", ")));
        }
    }
    text
}

/// The answer, the rows of each of its parts cited and how it was made beside it.
fn answered(request: &AnswerRequest, query: &Query, found: Vec<Found>, sheet: &Sheet) -> Answer {
    let (mut text, mut passages, mut claims) = (String::new(), Vec::new(), Vec::new());
    let (mut cited, mut used) = (0, 0);
    for Found { text: part, mut rows } in found {
        rows.sort_unstable();
        rows.dedup();
        let mut stretches = stretches(&rows, sheet);
        stretches.truncate(CITED);
        cited += stretches.iter().map(|stretch| stretch.clone().count()).sum::<usize>();
        used += rows.len();
        let citations = stretches.into_iter().map(|stretch| cite(stretch, &mut passages, sheet)).collect();
        if !text.is_empty() {
            text.push('\n');
        }
        let span = Span::new(text.len(), text.len() + part.len());
        text.push_str(&part);
        claims.push(Claim { span, text: part, support: Support::Supported, citations });
    }
    Answer {
        text,
        claims,
        passages,
        refused: false,
        nearest: None,
        notes: vec![how(query, (cited, used), sheet)],
        coverage: request.coverage.clone(),
    }
}

/// Rows that follow each other, taken together.
fn stretches(rows: &[usize], sheet: &Sheet) -> Vec<RangeInclusive<usize>> {
    let mut stretches: Vec<RangeInclusive<usize>> = Vec::new();
    for &row in rows {
        match stretches.last_mut().filter(|stretch| sheet.is_followed_by(*stretch.end(), row)) {
            Some(stretch) => *stretch = *stretch.start()..=row,
            None => stretches.push(row..=row),
        }
    }
    stretches
}

/// The citation of rows, whose passage is taken among those of the answer.
fn cite(rows: RangeInclusive<usize>, passages: &mut Vec<Passage>, sheet: &Sheet) -> Citation {
    let passage = sheet.passage(*rows.start());
    let known = passages.iter().position(|known| known.chunk == passage.chunk);
    let at = known.unwrap_or_else(|| {
        passages.push(passage.clone());
        passages.len() - 1
    });
    sheet.citation(rows, at + 1)
}

/// How an answer was made, in words.
fn how(query: &Query, (cited, used): (usize, usize), sheet: &Sheet) -> String {
    let first = in_words(&query.first, sheet);
    let made = match &query.second {
        None => first,
        Some((Between::Difference, second)) => format!("{first}, less {}", in_words(second, sheet)),
        Some((Between::Share, second)) => format!("{first}, as a share of {}", in_words(second, sheet)),
    };
    let cited = match used > cited {
        true => format!(" The first {cited} of the {used} rows that make it are cited."),
        false => String::new(),
    };
    let left_out = |count: usize, what: &str| match count {
        0 => String::new(),
        count => format!(" Left out: {count} of its lines, {what}."),
    };
    let ungrouped = query.ungrouped(sheet).filter(|(_, silent)| *silent > 0).map(|(column, silent)| {
        format!(
            " In none of these: {silent} of the rows, which do not say their `{}`.",
            sheet.columns[column].label
        )
    });
    format!(
        "Computed from all {} rows of the table, not written by the model: {made}.{cited}{}{}{}{}",
        sheet.rows.len(),
        ungrouped.unwrap_or_default(),
        left_out(sheet.sums, "which sum up others"),
        left_out(sheet.lone, "which have a single cell"),
        left_out(sheet.left_out, "which read like an instruction")
    )
}

fn in_words(select: &Select, sheet: &Sheet) -> String {
    let end = |figure: &Figure| match (figure.function, figure.column.is_some_and(|at| is_date(at, sheet))) {
        (Function::Least, false) => "least",
        (Function::Least, true) => "earliest",
        (_, false) => "greatest",
        (_, true) => "latest",
    };
    let figure = |figure: &Figure| {
        let of = figure.column.map_or("rows".to_owned(), |column| quoted(column, sheet));
        match figure.function {
            Function::Count if figure.distinct => format!("number of different {of}"),
            Function::Count => format!("number of {of}"),
            Function::Sum => format!("sum of {of}"),
            Function::Average => format!("average of {of}"),
            Function::Least | Function::Most => format!("{} {of}", end(figure)),
        }
    };
    let what = match &select.what {
        What::Cells(subjects) => subjects.iter().map(|&one| named(one, sheet)).collect::<Vec<_>>().join(", "),
        What::Figure(one) => figure(one),
    };
    let conditions: Vec<String> = select.conditions.iter().map(|parts| required(parts, sheet)).collect();
    let conditions =
        if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(", or ")) };
    let beside = match select.step {
        0 => "",
        ..0 => ", in the row before that one",
        1.. => ", in the row behind that one",
    };
    let group =
        select.group.filter(|_| select.order.is_none()).map_or(String::new(), |group| match group.part {
            Part::Whole => format!(", of each {}", quoted(group.column, sheet)),
            Part::Month => format!(", of each month of {}", quoted(group.column, sheet)),
            Part::Year => format!(", of each year of {}", quoted(group.column, sheet)),
        });
    let order = select.order.as_ref().map_or(String::new(), |order| {
        let by = match &order.by {
            By::Subject(one) => named(*one, sheet),
            By::Figure(one) => figure(one),
        };
        format!(", by {by}, the {} first", if order.descending { "greatest" } else { "least" })
    });
    format!("{what}{conditions}{beside}{group}{order}")
}

/// All that is required of a row, in words.
fn required(parts: &[Condition], sheet: &Sheet) -> String {
    let condition = |part: &Condition| {
        let not = if part.not { " not" } else { "" };
        let column = part.subject.column();
        let test = match &part.test {
            Test::Is(values) => format!("is{not} {}", values.join(" or ")),
            Test::Like(texts) if part.not => format!("does not say {}", texts.join(" or ")),
            Test::Like(texts) => format!("says {}", texts.join(" or ")),
            Test::Beyond(direction, or_equal, value) => {
                let than = if direction.is_lt() { "less" } else { "more" };
                if *or_equal { format!("is {value} or {than}") } else { format!("is {than} than {value}") }
            }
            Test::BeyondRow(direction, row) => {
                let beyond = match (column.is_some_and(|at| is_date(at, sheet)), direction.is_lt()) {
                    (true, true) => "before",
                    (true, false) => "after",
                    (false, true) => "less than",
                    (false, false) => "more than",
                };
                format!("is {beyond} that of the row where {}", required(row, sheet))
            }
            Test::Between(from, to) => format!("is from {from} to {to}"),
            Test::Blank => {
                let pending = column.and_then(|column| sheet.columns[column].pending);
                format!("is{not} empty{}", pending.map_or(String::new(), |word| format!(" or `{word}`")))
            }
        };
        format!("{} {test}", named(part.subject, sheet))
    };
    parts.iter().map(condition).collect::<Vec<_>>().join(" and ")
}

fn named(subject: Subject, sheet: &Sheet) -> String {
    match subject {
        Subject::Row => "place in the table".to_owned(),
        Subject::Column(column) => quoted(column, sheet),
    }
}

fn quoted(column: usize, sheet: &Sheet) -> String {
    format!("`{}`", sheet.columns[column].label.trim())
}

fn is_date(column: usize, sheet: &Sheet) -> bool {
    sheet.columns[column].kind == Kind::Date
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use carrel_corpus::Coverage;

    use super::*;
    use crate::AnswerConfig;
    use crate::seams::{Counting, Script, Shelf, passage};

    const INVOICES: &str = "Customer | Net | Paid\n\
                            Harbour Authority | £1,200.50 | 2024-05-08\n\
                            Wexcombe Water | £800 | \n\
                            Harbour Authority | £400 | 2024-06-03\n\
                            Alda Bridge | £750 | 2023-01-31";

    fn ask(question: &str, query: &str, passages: &[Passage]) -> Option<Answer> {
        ask_of(question, query, passages, &[])
    }

    /// `sheets` are found only where spreadsheets are looked for.
    fn ask_of(question: &str, query: &str, passages: &[Passage], sheets: &[Passage]) -> Option<Answer> {
        let script = Script::of(&[&serde_json::to_string(query).unwrap()]);
        let config = AnswerConfig::default();
        let request = AnswerRequest {
            question,
            asked: question,
            history: &[],
            passages,
            coverage: Coverage::default(),
            holdings: &Shelf { passages, sheets },
            config: &config,
        };
        calculated(&request, &script, &Counting, &mut Stats::default(), &mut |_| ControlFlow::Continue(()))
            .unwrap()
    }

    #[test]
    fn an_answer_is_computed_and_cites_the_rows_that_make_it() {
        let passages = [passage(1, "invoices.csv", 0, INVOICES)];
        let query = "SELECT SUM(net) FROM data WHERE customer LIKE 'Harbour Authority'";
        let answer = ask("What is the net total for the Harbour Authority?", query, &passages).unwrap();
        assert_eq!(answer.text, "£1,600.50");
        let [claim] = answer.claims.as_slice() else { panic!("{answer:?}") };
        assert_eq!(claim.support, Support::Supported);
        let quotes: Vec<&str> = claim.citations.iter().map(|citation| citation.quote.as_str()).collect();
        assert_eq!(
            quotes,
            ["Harbour Authority | £1,200.50 | 2024-05-08", "Harbour Authority | £400 | 2024-06-03"]
        );
        for citation in &claim.citations {
            assert_eq!(citation.span.of(INVOICES), citation.quote);
        }
        assert_eq!(
            answer.notes,
            ["Computed from all 4 rows of the table, not written by the model: sum of `Net` where \
                                   `Customer` says Harbour Authority."]
        );
    }

    #[test]
    fn a_query_that_asks_for_something_else_is_no_answer() {
        let passages = [passage(1, "invoices.csv", 0, INVOICES)];
        let all = "SELECT COUNT(*) FROM data";
        for (question, query) in [
            ("How many customers are in arrears with Birch?", "None"),
            ("How many invoices did Birch get?", all),
            ("How many invoices above 500 are there?", all),
            ("How many shops cost more than 500?", "SELECT COUNT(*) FROM data WHERE net > 500"),
            ("How many invoices are not paid?", "SELECT COUNT(*) FROM data WHERE paid IS NOT NULL"),
            (
                "Which customer comes after Alda Bridge?",
                "SELECT customer FROM data WHERE customer LIKE 'Alda Bridge'",
            ),
            (
                "Which customer paid before Alda Bridge?",
                "SELECT customer FROM data ORDER BY paid ASC LIMIT 1",
            ),
            (
                "How much more net has Alda Bridge than Wexcombe Water?",
                "SELECT SUM(net) FROM data WHERE customer IN ('Alda Bridge', 'Wexcombe Water')",
            ),
            ("What is the net total of Wexcombe Water?", "SELECT SUM(net) FROM data"),
            ("Which customer has the best net?", "SELECT customer FROM data ORDER BY net DESC LIMIT 1"),
            ("What is the average weight?", "SELECT AVG(net) FROM data"),
            ("Which customers are there in Hay?", "SELECT customer FROM data"),
            (
                "What was the last invoice of Harbour Authority?",
                "SELECT MAX(net) FROM data WHERE customer LIKE 'Harbour Authority'",
            ),
            ("When was the first paid?", "SELECT MAX(paid) FROM data"),
            ("What is the average net?", "SELECT SUM(net) FROM data"),
            (
                "Which customers have more invoices than Alda Bridge?",
                "SELECT customer FROM data WHERE net > (SELECT net FROM data WHERE customer LIKE 'Alda Bridge')",
            ),
            ("What is the net?", "SELECT AVG(net) FROM data"),
            ("Which customer has the lowest net?", "SELECT customer FROM data ORDER BY net DESC LIMIT 1"),
            ("What is the net total per customer?", "SELECT SUM(net) FROM data"),
            (
                "What is the net of the head of Harbour Authority?",
                "SELECT net FROM data WHERE customer LIKE 'Harbour Authority' ORDER BY net DESC LIMIT 1",
            ),
            ("Which customer paid the most?", "SELECT customer FROM data ORDER BY net ASC LIMIT 1"),
            ("How much net is unpaid in total?", "SELECT SUM(net) FROM data"),
            (
                "What net does Wexcombe Water owe?",
                "SELECT SUM(net) FROM data WHERE customer LIKE 'Wexcombe Water'",
            ),
            (
                "What percentage of the net is from Alda Bridge?",
                "SELECT (SELECT SUM(net) FROM data) / (SELECT SUM(net) FROM data WHERE customer LIKE 'Alda Bridge')",
            ),
        ] {
            assert!(ask(question, query, &passages).is_none(), "{question}");
        }
        for (question, query, expected) in [
            (
                "What percentage of the net is from Alda Bridge?",
                "SELECT (SELECT SUM(net) FROM data WHERE customer LIKE 'Alda Bridge') / (SELECT SUM(net) FROM data)",
                "23.81 %",
            ),
            (
                "Which customer paid the most?",
                "SELECT customer FROM data ORDER BY net DESC LIMIT 1",
                "Harbour Authority",
            ),
            ("How many different customers are there?", "SELECT COUNT(DISTINCT customer) FROM data", "3"),
            ("How many customers are there?", all, "3"),
            ("How much net is unpaid in total?", "SELECT SUM(net) FROM data WHERE paid IS NULL", "£800"),
            (
                "What net does Wexcombe Water owe?",
                "SELECT SUM(net) FROM data WHERE customer LIKE 'Wexcombe Water' AND paid IS NULL",
                "£800",
            ),
            ("How many invoices are unpaid?", "SELECT COUNT(*) FROM data WHERE paid IS NULL", "1"),
            (
                "Which customers are there?",
                "SELECT customer FROM data",
                "Harbour Authority, Wexcombe Water, Alda Bridge",
            ),
            ("When was the last paid?", "SELECT MAX(paid) FROM data", "2024-06-03"),
            (
                "Which customer has the highest net?",
                "SELECT customer FROM data ORDER BY net DESC LIMIT 1",
                "Harbour Authority",
            ),
            (
                "Which customer has the most invoices?",
                "SELECT customer FROM data GROUP BY customer ORDER BY COUNT(*) DESC LIMIT 1",
                "Harbour Authority",
            ),
            ("How many invoices were paid in 2024?", "SELECT COUNT(*) FROM data WHERE paid = 2024", "2"),
            (
                "Which customer has the highest average net?",
                "SELECT customer FROM data GROUP BY customer ORDER BY AVG(net) DESC LIMIT 1",
                "Harbour Authority",
            ),
        ] {
            assert_eq!(
                ask(question, query, &passages).map(|answer| answer.text).as_deref(),
                Some(expected),
                "{question}"
            );
        }
    }

    #[test]
    fn a_figure_of_each_is_a_claim_of_its_own() {
        let passages = [passage(1, "invoices.csv", 0, INVOICES)];
        let query = "SELECT SUM(net) FROM data GROUP BY customer";
        let answer = ask("What is the net total per customer?", query, &passages).unwrap();
        assert_eq!(answer.text, "Harbour Authority: £1,600.50\nWexcombe Water: £800\nAlda Bridge: £750");
        assert_eq!(answer.claims.len(), 3);
        for claim in &answer.claims {
            assert_eq!(claim.span.of(&answer.text), claim.text);
            let (customer, _) = claim.text.split_once(':').unwrap();
            assert!(claim.citations.iter().all(|citation| citation.quote.contains(customer)), "{claim:?}");
        }
        let note = "Computed from all 4 rows of the table, not written by the model: sum of `Net`, of each `Customer`.";
        assert_eq!(answer.notes, [note]);
        for (question, query) in [
            ("What is the net total of all customers?", query),
            ("What is the average net per customer?", query),
            ("What is the net total per customer?", "SELECT SUM(net) FROM data GROUP BY YEAR(paid)"),
        ] {
            assert!(ask(question, query, &passages).is_none(), "{question} {query}");
        }
        let years = "SELECT COUNT(*) FROM data GROUP BY YEAR(paid)";
        let answer = ask("How many invoices were paid per year?", years, &passages).unwrap();
        assert_eq!(answer.text, "2023: 1\n2024: 2");
        assert!(
            answer.notes[0].ends_with(" In none of these: 1 of the rows, which do not say their `Paid`.")
        );
    }

    #[test]
    fn the_column_that_the_question_names_is_added_up() {
        let invoices =
            "Customer | Net | VAT | Total\nAlda | 100 | 20 | 120\nBerta | 200 | 40 | 240\nAlda | 5 | 1 | 6";
        let passages = [passage(1, "invoices.csv", 0, invoices)];
        let asked = |question: &str, query: &str| ask(question, query, &passages).map(|answer| answer.text);
        let each = "SELECT SUM(net) FROM data GROUP BY customer";
        assert_eq!(asked("What is the total per customer?", each).as_deref(), Some("Alda: 126\nBerta: 240"));
        let net = asked("What is the net total per customer?", each);
        assert_eq!(net.as_deref(), Some("Alda: 105\nBerta: 200"));
    }

    #[test]
    fn the_row_beside_another_is_found_where_the_rows_have_an_order() {
        let route = "Stop | Town | Arrival\n1 | Aldbrook | 9:00\n2 | Merrow | 9:20\n3 | Quenby | 9:40";
        let passages = [passage(1, "stops.csv", 0, route)];
        let after = |what: &str, town: &str, sign: &str| {
            format!(
                "SELECT {what} FROM data WHERE row = (SELECT row FROM data WHERE town LIKE '{town}') {sign} 1"
            )
        };
        let asked = |question: &str, query: &str| ask(question, query, &passages).map(|answer| answer.text);
        let town = asked("Which town comes after Merrow?", &after("town", "Merrow", "+"));
        assert_eq!(town.as_deref(), Some("Quenby"));
        let stop = asked("Which stop is before Merrow?", &after("stop", "Merrow", "-"));
        assert_eq!(stop.as_deref(), Some("Aldbrook, 1"));
        assert_eq!(asked("Which town comes after Quenby?", &after("town", "Quenby", "+")), None);
        let answer = ask("Which town comes after Merrow?", &after("town", "Merrow", "+"), &passages).unwrap();
        assert!(answer.notes[0].ends_with("`Town` where `Town` says Merrow, in the row behind that one."));
        assert_eq!(answer.claims[0].citations[0].quote, "2 | Merrow | 9:20\n3 | Quenby | 9:40");
    }

    #[test]
    fn what_is_owed_is_added_up_with_everything_in_it() {
        let invoices = "Customer | Net | VAT | Total | Paid\nAlda | 100 | 20 | 120 | \nBerta | 200 | 40 | 240 | 2024-05-08\nAlda | 5 | 1 | 6 | ";
        let passages = [passage(1, "invoices.csv", 0, invoices)];
        let asked = |question: &str, query: &str| ask(question, query, &passages).map(|answer| answer.text);
        let net = "SELECT net FROM data WHERE customer LIKE 'Alda' AND paid IS NULL";
        assert_eq!(asked("What does Alda owe?", net).as_deref(), Some("126"));
        assert_eq!(asked("What net does Alda owe?", net).as_deref(), Some("105"));
        let numbered = [passage(
            1,
            "invoices.csv",
            0,
            "No | Customer | Paid\n7 | Alda | \n8 | Berta | 2024-05-08\n9 | Alda | ",
        )];
        let numbers = "SELECT no FROM data WHERE customer LIKE 'Alda' AND paid IS NULL";
        let listed = ask("What numbers do the unpaid invoices of Alda have?", numbers, &numbered);
        assert_eq!(listed.map(|answer| answer.text).as_deref(), Some("7, 9"));
        let totals = "SELECT total FROM data WHERE paid IS NULL";
        assert_eq!(asked("Which totals are unpaid?", totals).as_deref(), Some("120, 6"));
    }

    #[test]
    fn rows_are_compared_with_the_one_that_the_question_names() {
        let staff = "Name | Start | Salary\nGwen Price | 2019-03-01 | 3,200\nIvo Kral | 2021-06-15 | 2,900\nMara Voss | 2022-01-10 | 3,600\nTed Oakes | 2018-02-01 | 2,500";
        let passages = [passage(1, "staff.csv", 0, staff)];
        let asked = |question: &str, query: &str| ask(question, query, &passages).map(|answer| answer.text);
        let than = |column: &str, sign: &str, name: &str| {
            format!(
                "SELECT name FROM data WHERE {column} {sign} (SELECT {column} FROM data WHERE name LIKE '{name}')"
            )
        };
        let more = than("salary", ">", "Ivo Kral");
        let earns = "Who has a higher salary than Ivo Kral?";
        assert_eq!(asked(earns, &more).as_deref(), Some("Gwen Price, Mara Voss"));
        let after = than("start", ">", "Gwen Price");
        assert_eq!(asked("Who started after Gwen Price?", &after).as_deref(), Some("Ivo Kral, Mara Voss"));
        let answer = ask(earns, &more, &passages).unwrap();
        let quotes: Vec<&str> =
            answer.claims[0].citations.iter().map(|citation| citation.quote.as_str()).collect();
        assert_eq!(quotes, [staff.lines().skip(1).take(3).collect::<Vec<_>>().join("\n")]);
        let said = "`Name` where `Salary` is more than that of the row where `Name` says Ivo Kral.";
        assert!(answer.notes[0].ends_with(said), "{:?}", answer.notes);
        assert_eq!(asked("Who has a higher salary than Nina?", &more), None);
    }

    #[test]
    fn what_is_affirmed_is_required_as_the_question_says_it() {
        let hours = "Person | Hours | Billable\nAlda | 3 | yes\nBerta | 4 | no\nAlda | 2 | no";
        let passages = [passage(1, "hours.csv", 0, hours)];
        let sum = |not: &str| format!("SELECT SUM(hours) FROM data WHERE billable{not} LIKE 'yes'");
        let asked = |question: &str, query: &str| ask(question, query, &passages).map(|answer| answer.text);
        assert_eq!(asked("How many billable hours are there?", &sum("")).as_deref(), Some("3"));
        assert_eq!(asked("How many hours were not billable?", &sum(" NOT")).as_deref(), Some("6"));
        assert_eq!(asked("How many hours were not billable?", &sum("")), None);
        assert_eq!(asked("How many billable hours are there?", "SELECT SUM(hours) FROM data"), None);
    }

    #[test]
    fn a_table_is_looked_for_further_down_only_where_all_rows_are_asked_about() {
        let passages =
            [passage(1, "letter.txt", 0, "The customer has paid."), passage(2, "invoices.csv", 0, INVOICES)];
        let query = "SELECT SUM(net) FROM data";
        assert!(ask("What is the total net?", query, &passages).is_some());
        assert!(ask("What is the net?", query, &passages).is_none());
        let unpaid = "SELECT customer FROM data WHERE paid IS NULL";
        assert!(ask("Which customer is unpaid?", unpaid, &passages).is_some());
        assert!(ask("Which customer is overdue?", unpaid, &passages).is_some());
        assert!(ask("Which customer is unfair?", unpaid, &passages).is_none());
    }

    #[test]
    fn a_spreadsheet_behind_the_nearest_passages_is_computed_with_where_the_question_speaks_of_it() {
        let letter = [passage(1, "letter.txt", 0, "The customer has paid.")];
        let sheets = [passage(2, "invoices.csv", 0, INVOICES)];
        let asked = |question: &str, query: &str| ask_of(question, query, &letter, &sheets).is_some();
        assert!(asked("How much net is unpaid?", "SELECT SUM(net) FROM data WHERE paid IS NULL"));
        assert!(asked(
            "Which customers have more net than 700?",
            "SELECT customer FROM data WHERE net > 700"
        ));
        assert!(asked("What is the net total per customer?", "SELECT SUM(net) FROM data GROUP BY customer"));
        assert!(!asked("Which customers are there?", "SELECT customer FROM data"));
        assert!(!asked("How many are there?", "SELECT COUNT(*) FROM data"));
    }

    #[test]
    fn what_is_asked_about_is_listed_where_it_has_a_row_each() {
        let orders = "Order | Article | Price\n1 | bolt | 3\n2 | nut | 9\n3 | bolt | 8\n4 | nut | 2";
        let prices = "Article | Price\nbolt | 4\nnut | 7\nwasher | 1";
        let passages = [passage(1, "orders.csv", 0, orders), passage(2, "prices.csv", 0, prices)];
        let query = "SELECT article FROM data WHERE price < 5";
        for question in ["Which articles have a price of less than 5?", "Which articles cost less than 5?"] {
            let answer = ask(question, query, &passages);
            assert_eq!(answer.map(|answer| answer.text).as_deref(), Some("bolt, washer"), "{question}");
        }
    }

    #[test]
    fn a_summary_gives_way_to_the_table_it_sums_up() {
        let summary =
            passage(2, "summary.csv", 0, "Customer | Net\nHarbour Authority | 9\nWexcombe Water | 9");
        let passages = [summary, passage(1, "invoices.csv", 0, INVOICES)];
        let answer =
            ask("What is the total net of all customers?", "SELECT SUM(net) FROM data", &passages).unwrap();
        assert_eq!(answer.text, "£3,150.50");
    }

    #[test]
    fn of_many_rows_the_first_are_cited_and_those_that_follow_each_other_together() {
        let rows: Vec<String> = (1..=20)
            .map(|row| format!("{row} | {} | {row}", if row % 2 == 0 { "shop" } else { "store" }))
            .collect();
        let passages = [passage(1, "units.csv", 0, &format!("Unit | Use | Keys\n{}", rows.join("\n")))];
        let all = ask("How many keys are there in total?", "SELECT SUM(keys) FROM data", &passages).unwrap();
        let quotes = |answer: &Answer| -> Vec<String> {
            answer.claims[0].citations.iter().map(|citation| citation.quote.clone()).collect()
        };
        assert_eq!((all.text.as_str(), quotes(&all)), ("210", vec![rows.join("\n")]));
        assert!(!all.notes[0].contains("are cited"), "{:?}", all.notes);
        let query = "SELECT SUM(keys) FROM data WHERE use LIKE 'shop'";
        let shops = ask("What is the total of keys of each shop use?", query, &passages);
        assert!(shops.is_none());
        let shops = ask("What is the total of keys for shop use?", query, &passages).unwrap();
        assert_eq!((shops.text.as_str(), quotes(&shops).len()), ("110", CITED));
        assert!(
            shops.notes[0].ends_with("The first 8 of the 10 rows that make it are cited."),
            "{:?}",
            shops.notes
        );
    }
}
