//! Answers that no sentence gives, computed from the rows of a table: how many, how much together, which has the most.
//!
//! A model that reads a table guesses at its sums. So it is shown the names of the columns and a few rows, and writes a query
//! in a small part of SQL, to which its output is held. The query is run here over every row, and the rows that make the answer
//! are cited. It counts only where it asks for nothing that the question does not say, and leaves out nothing that it does.

mod fit;
mod query;
mod said;
mod sheet;
mod syntax;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::LazyLock;

use carrel_corpus::{Answer, Claim, DocumentId, Embedder, Generator, Passage, Span, Support};
use regex::Regex;

use self::fit::Asked;
use self::query::{By, Condition, Figure, Found, Function, Query, ROW, Select, Subject, Test, What};
use self::said::Said;
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
        r"(?i)\b(?:how\s+(?:many|much)|number\s+of|total|sum|average|mean|most|least|fewest|maximum|minimum|\w{2,}est|wie\s+viele?|wieviele?|anzahl|summe|gesamt\w*|insgesamt|durchschnitt\w*|meisten?|wenigsten?|höchste[nrs]?|niedrigste[nrs]?|cuánt[oa]s?|número\s+de|suma|promedio|máxim[oa]|mínim[oa]|mayor|menor|combien|nombre\s+de|somme|moyenne|maximum)\b|多少|几|总|平均|最|合计",
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
    let near = near_tables(request);
    for passage in &near {
        if let Entry::Vacant(document) = documents.entry(passage.document) {
            document.insert((request.read)(passage.document)?);
        }
    }
    let sheets = near.into_iter().filter_map(|passage| {
        let whole = documents.get(&passage.document).filter(|passages| passages.len() <= READ)?;
        let sheet = Sheet::holding(whole, passage.chunk).filter(|sheet| sheet.columns.len() <= COLUMNS)?;
        let said = Said::of(&sheet, request.asked);
        Some((sheet, header_text(passage), said))
    });
    // Of tables that have the same words of the question, a summary has the fewest rows.
    let worth = |(sheet, about, said): &(Sheet, String, Said)| {
        (in_common(sheet, about, said, request.asked), sheet.rows.len())
    };
    let Some((sheet, about, said)) = sheets.rev().max_by_key(worth) else { return Ok(None) };
    let table = described(&sheet, &said);
    let asked = prompt::query(&table, request.asked, &syntax::grammar(&sheet, &said));
    let generation = generator.generate(&asked, &mut |_| sink(Event::Delta("")))?;
    stats.add(&generation);
    let written: String = serde_json::from_str(generation.text.trim()).unwrap_or_default();
    let Some(mut query) = syntax::parse(&written, &sheet) else { return Ok(None) };
    let asked = Asked::new(request.asked, &sheet, &said, &about);
    if let Some(column) = asked.counted(&query) {
        query.first.what =
            What::Figure(Figure { function: Function::Count, column: Some(column), distinct: true });
    }
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

/// The passages that hold rows: the best of all, and those near to it where the question asks about all rows.
fn near_tables<'a>(request: &AnswerRequest<'a>) -> Vec<&'a Passage> {
    let holds_rows = |passage: &&Passage| passage.text.lines().filter(|line| is_row(line)).count() >= 2;
    let looked = if OF_ALL.is_match(request.asked) { NEAREST } else { 1 };
    request.passages.iter().take(looked).filter(holds_rows).collect()
}

/// Words of a question that stand in the names of a table or of its document, or are `said` of its cells.
fn in_common(sheet: &Sheet, about: &str, said: &Said, question: &str) -> usize {
    let mut known = content_stems(about);
    known.extend(sheet.columns.iter().flat_map(|column| content_stems(&spaced(column.label))));
    known.extend(said.texts.iter().flatten().flat_map(|text| content_stems(text)));
    content_stems(question).intersection(&known).count()
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

/// The answer, its rows cited and how it was made beside it.
fn answered(request: &AnswerRequest, query: &Query, found: Found, sheet: &Sheet) -> Answer {
    let Found { text, mut rows } = found;
    rows.sort_unstable();
    rows.dedup();
    let mut stretches: Vec<RangeInclusive<usize>> = Vec::new();
    for &row in &rows {
        match stretches.last_mut().filter(|stretch| sheet.is_followed_by(*stretch.end(), row)) {
            Some(stretch) => *stretch = *stretch.start()..=row,
            None => stretches.push(row..=row),
        }
    }
    stretches.truncate(CITED);
    let cited = stretches.iter().map(|stretch| stretch.clone().count()).sum();
    let mut passages: Vec<Passage> = Vec::new();
    let mut citations = Vec::new();
    for stretch in stretches {
        let passage = sheet.passage(*stretch.start());
        let known = passages.iter().position(|known| known.chunk == passage.chunk);
        let number = known.unwrap_or_else(|| {
            passages.push(passage.clone());
            passages.len() - 1
        });
        citations.push(sheet.citation(stretch, number + 1));
    }
    let claim =
        Claim { span: Span::new(0, text.len()), text: text.clone(), support: Support::Supported, citations };
    Answer {
        text,
        claims: vec![claim],
        passages,
        refused: false,
        nearest: None,
        notes: vec![how(query, (cited, rows.len()), sheet)],
        coverage: request.coverage.clone(),
    }
}

/// How an answer was made, in words.
fn how(query: &Query, (cited, used): (usize, usize), sheet: &Sheet) -> String {
    let parts: Vec<String> = query.selects().map(|select| in_words(select, sheet)).collect();
    let cited = match used > cited {
        true => format!(" The first {cited} of the {used} rows that make it are cited."),
        false => String::new(),
    };
    let left_out = |count: usize, what: &str| match count {
        0 => String::new(),
        count => format!(" Left out: {count} of its lines, {what}."),
    };
    format!(
        "Computed from all {} rows of the table, not written by the model: {}.{cited}{}{}{}",
        sheet.rows.len(),
        parts.join(", less "),
        left_out(sheet.sums, "which sum up others"),
        left_out(sheet.lone, "which have a single cell"),
        left_out(sheet.left_out, "which read like an instruction")
    )
}

fn in_words(select: &Select, sheet: &Sheet) -> String {
    let label = |column: usize| format!("`{}`", sheet.columns[column].label.trim());
    let subject = |subject: Subject| match subject {
        Subject::Row => "place in the table".to_owned(),
        Subject::Column(column) => label(column),
    };
    let figure = |figure: &Figure| {
        let of = figure.column.map_or("rows".to_owned(), label);
        match figure.function {
            Function::Count if figure.distinct => format!("number of different {of}"),
            Function::Count => format!("number of {of}"),
            Function::Sum => format!("sum of {of}"),
            Function::Average => format!("average of {of}"),
            Function::Least => format!("least {of}"),
            Function::Most => format!("greatest {of}"),
        }
    };
    let condition = |part: &Condition| {
        let not = if part.not { " not" } else { "" };
        let test = match &part.test {
            Test::Is(values) => format!("is{not} {}", values.join(" or ")),
            Test::Like(texts) if part.not => format!("does not say {}", texts.join(" or ")),
            Test::Like(texts) => format!("says {}", texts.join(" or ")),
            Test::Beyond(direction, or_equal, value) => {
                let than = if direction.is_lt() { "less" } else { "more" };
                if *or_equal { format!("is {value} or {than}") } else { format!("is {than} than {value}") }
            }
            Test::Between(from, to) => format!("is from {from} to {to}"),
            Test::Blank => format!("is{not} empty"),
        };
        format!("{} {test}", subject(part.subject))
    };
    let what = match &select.what {
        What::Cells(subjects) => subjects.iter().map(|&one| subject(one)).collect::<Vec<_>>().join(", "),
        What::Figure(one) => figure(one),
    };
    let all = |parts: &Vec<Condition>| parts.iter().map(condition).collect::<Vec<_>>().join(" and ");
    let conditions: Vec<String> = select.conditions.iter().map(all).collect();
    let conditions =
        if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(", or ")) };
    let order = select.order.as_ref().map_or(String::new(), |order| {
        let by = match &order.by {
            By::Subject(one) => subject(*one),
            By::Figure(one) => figure(one),
        };
        format!(", by {by}, the {} first", if order.descending { "greatest" } else { "least" })
    });
    format!("{what}{conditions}{order}")
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use carrel_corpus::Coverage;

    use super::*;
    use crate::AnswerConfig;
    use crate::seams::{Counting, Script, passage};

    const INVOICES: &str = "Customer | Net | Paid\n\
                            Harbour Authority | £1,200.50 | 2024-05-08\n\
                            Wexcombe Water | £800 | \n\
                            Harbour Authority | £400 | 2024-06-03\n\
                            Alda Bridge | £750 | 2023-01-31";

    fn ask(question: &str, query: &str, passages: &[Passage]) -> Option<Answer> {
        let script = Script::of(&[&serde_json::to_string(query).unwrap()]);
        let config = AnswerConfig::default();
        let request = AnswerRequest {
            question,
            asked: question,
            history: &[],
            passages,
            coverage: Coverage::default(),
            read: &|document| {
                Ok(passages.iter().filter(|passage| passage.document == document).cloned().collect())
            },
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
            ("Which customers are there?", "SELECT customer FROM data"),
            ("What is the average net?", "SELECT SUM(net) FROM data"),
            ("What is the net?", "SELECT AVG(net) FROM data"),
            ("Which customer has the lowest net?", "SELECT customer FROM data ORDER BY net DESC LIMIT 1"),
            ("What is the net total per customer?", "SELECT SUM(net) FROM data"),
        ] {
            assert!(ask(question, query, &passages).is_none(), "{question}");
        }
        for (question, query, expected) in [
            ("How many different customers are there?", "SELECT COUNT(DISTINCT customer) FROM data", "3"),
            ("How many customers are there?", all, "3"),
            ("How many invoices are unpaid?", "SELECT COUNT(*) FROM data WHERE paid IS NULL", "1"),
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
        ] {
            assert_eq!(
                ask(question, query, &passages).map(|answer| answer.text).as_deref(),
                Some(expected),
                "{question}"
            );
        }
    }

    #[test]
    fn a_table_is_looked_for_further_down_only_where_all_rows_are_asked_about() {
        let passages =
            [passage(1, "letter.txt", 0, "The customer has paid."), passage(2, "invoices.csv", 0, INVOICES)];
        let query = "SELECT SUM(net) FROM data";
        assert!(ask("What is the total net?", query, &passages).is_some());
        assert!(ask("What is the net?", query, &passages).is_none());
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
