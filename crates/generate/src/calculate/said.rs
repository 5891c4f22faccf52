//! What a question says of a table: the texts of cells, and numbers to compare them with.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::OF_ALL;
use super::query::{Between, Group, Part, folded, holds};
use super::sheet::{Kind, PENDING, Sheet, is_blank, is_stretch, spaced};
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
/// What is listed.
static LISTED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^\W*(?:which|what|welche[rsn]?|qué|quel(?:le)?s?)\s+(?P<what>\w+)"));

/// The words for what a question asks to list or to count, and not to find the first of.
pub(crate) fn listed(question: &str) -> BTreeSet<String> {
    let listed = || LISTED.captures(question).filter(|_| !OF_ALL.is_match(question));
    let parts = COUNTED.captures(question).or_else(listed);
    parts.map(|parts| content_stems(&parts["what"])).unwrap_or_default()
}

/// What asks how far two numbers are apart.
static APART: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\bdifference\b|\b(?:many|much)\s+(?:more|less|fewer|higher|lower|longer|larger|older)\b|\bunterschied\b|\bdifferenz\b|\bum\s+wie\s?viel\b|\bdiferencia\b|\bdifférence\b",
    )
});

/// What asks how much of all something is.
static SHARE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:percentage|percent|share|proportion|fraction|portion|porcentaje|proporción|pourcentage|part)\s+(?:of|de|des|du|d['’])|\bprozentsatz\b|\bwie\s?viel\s+prozent\b|\banteil\b|百分比",
    )
});
static HELD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)%|percent|share|proportion|prozent|anteil|porcentaje|pourcentage"));
/// What asks for a number of each.
pub(crate) static EACH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:per|each|every|respectively|pro|je|jede[rsmn]?|jeweils|cada|chaque|par)\b|每")
});
/// Of what it asks that.
static OF_EACH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:per|each|every|pro|je|jede[rsmn]?|cada|chaque|par)\s+(?P<each>\w+)|\b(?:by|nach)\s+(?P<by>\w+)\s*\??\s*$",
    )
});
static MONTHLY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^(?:months?|monat(?:e|en)?|mes|mois)$"));
static YEARLY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^(?:years?|jahr(?:e|en)?|año|an|année)$"));
/// What asks for the row before or behind another one, unless it is a date or a number that follows.
static BESIDE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(?P<before>before|previous|prior\s+to|preced\w+|vor|vorherige\w*|antes\s+de|avant)|(?P<after>after|next|following|follow(?:s|ed)?|behind|nach|nächste[nrs]?|después\s+de|siguiente|après|suivante?))\b",
    )
});

/// What asks for all that come before or behind something, and not for the one beside it, unless it says so.
static MANY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*(?:who|wer|quién(?:es)?|qui|(?:which|what|list|name)\s+(?:of\s+)?\w{2,}[^s\W]s)\b|\b(?:all|any|every)\b",
    )
});
static ADJACENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:next|previous|preceding|following|vorherige\w*|nächste[nrs]?|siguiente|suivante?)\b|\b(?:is|was|comes?|came|listed|right|directly|immediately|just|shortly|kommt|kam|direkt|unmittelbar)\s+(?:before|after|vor|nach)\b",
    )
});

/// What asks for all that have more or less than something, or came before or behind it.
static THAN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(?P<less>less|fewer|lower|smaller|shorter|cheaper|lighter|weniger|niedriger|kleiner|kürzer|billiger|günstiger|leichter|menos|menor|moins)|(?P<more>more|higher|greater|larger|bigger|longer|heavier|mehr|höher|größer|länger|teurer|schwerer|más|mayor|plus)|(?P<earlier>earlier|sooner|older|früher|eher|älter)|(?P<later>later|newer|younger|später|neuer|jünger))(?P<what>(?:\s+\w+){0,3}?)\s+(?:than|als|que)\b",
    )
});

/// What speaks of the order in which rows are written.
static WRITTEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:listed|list|rows?|lines?|liste|aufgeführt|zeile|lista|fila|ligne)\b")
});

/// What asks for what is not paid.
static OWES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:owes?|owed|owing|outstanding|overdue|arrears|schulde[tn]|ausstehend\w*|debe|adeuda|pendientes?|doit)\b",
    )
});
/// What may deny what a column holds: `unpaid`, but not `under` or `United`.
static LACKS: LazyLock<Regex> = LazyLock::new(|| {
    let un = r"un(?:[a-hj-z]\w*|in\w+)(?:id|ed|nt|ld|lt|ht)";
    pattern(&format!(r"(?i)\b(?:{un}|(?:{})\w*)\b", PENDING.join("|")))
});

/// Whether a question may deny what some column of a table holds, to be told before any table is read.
pub(crate) fn may_lack(question: &str) -> bool {
    LACKS.is_match(question) || OWES.is_match(question)
}

/// Stems of what a column of payments is called.
const PAID: [&str; 9] =
    ["paid", "pay", "payment", "settl", "bezahlt", "zahlung", "pagado", "pago", "paiement"];

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
    /// The columns that it denies so by a word of its own, which no query may leave out.
    pub lacking: Vec<usize>,
    /// Whether it denies in both ways, so that it is not plain what: `not open`, `open and not from Alda`.
    pub denies_twice: bool,
    /// Whether it asks how far two numbers are apart, or how much of one another one is.
    pub between: Option<Between>,
    /// What it may ask for a figure of each of, and in what words; none where it does not.
    pub groups: Vec<Group>,
    pub each: String,
    /// Rows from the one that it names to the one that it asks for; 0 where it asks for no neighbour.
    pub step: isize,
    /// The columns by which it may ask for all that are on one side of the row that it names, and on which; none where it does not.
    pub beyond: Vec<(usize, Ordering)>,
    /// Of what it asks for more or less: `orders` of `more orders than`.
    pub than: BTreeSet<String>,
}

impl Said {
    pub fn of(sheet: &Sheet, question: &str) -> Said {
        let stems = content_stems(question);
        let labels: Vec<BTreeSet<String>> =
            sheet.columns.iter().map(|column| content_stems(&spaced(column.label))).collect();
        let has_empty = |column: usize| sheet.rows.iter().any(|row| is_blank(row.cells[column]));
        let owes = OWES.is_match(question);
        let lacks = |column: usize| {
            let labels = &labels[column];
            let un = labels.iter().any(|label| stems.contains(&format!("un{label}")));
            let waits = sheet.columns[column].pending.map(content_stems);
            un || waits.is_some_and(|words| !words.is_empty() && words.is_subset(&stems))
                || owes && has_empty(column) && labels.iter().any(|label| PAID.contains(&label.as_str()))
        };
        let lacking: Vec<usize> = (0..sheet.columns.len()).filter(|&column| lacks(column)).collect();
        let speaks = |column: usize| !labels[column].is_disjoint(&stems) || lacking.contains(&column);
        let empty = (0..sheet.columns.len()).map(|column| speaks(column) && has_empty(column)).collect();
        let is_denial = |token: &Token| is_negation(&question[token.range.clone()].to_lowercase());
        let denies = tokens(question).iter().any(is_denial);
        let mut texts = texts(sheet, question);
        for (column, texts) in texts.iter_mut().enumerate().filter(|(column, _)| speaks(*column)) {
            if let Some(yes) = sheet.columns[column].yes.filter(|yes| !texts.iter().any(|text| text == yes)) {
                texts.push(yes.to_owned());
            }
        }
        // A column may hold the share.
        let holds_share = || sheet.columns.iter().any(|column| HELD.is_match(column.label));
        let between = match () {
            () if APART.is_match(question) => Some(Between::Difference),
            () if SHARE.is_match(question) && !holds_share() => Some(Between::Share),
            () => None,
        };
        let parts = OF_EACH.captures(question);
        let each = |name: &str| parts.as_ref().and_then(|parts| parts.name(name)).map(|part| part.as_str());
        let (each, by) = (each("each"), each("by"));
        Said {
            step: step(sheet, question, &texts),
            beyond: beyond(sheet, question, &texts),
            than: THAN.captures(question).map(|parts| content_stems(&parts["what"])).unwrap_or_default(),
            groups: each.or(by).map(|what| groups(sheet, what, each.is_some(), &labels)).unwrap_or_default(),
            each: each.unwrap_or_default().to_owned(),
            texts,
            numbers: numbers(question, denies),
            empty,
            denies: denies || !lacking.is_empty(),
            denies_twice: denies && !lacking.is_empty(),
            lacking,
            between,
        }
    }
}

/// What a question may ask for a figure of each of: the columns that it calls so, or any of texts where it calls none so and
/// nothing else can be meant.
fn groups(sheet: &Sheet, each: &str, is_each: bool, labels: &[BTreeSet<String>]) -> Vec<Group> {
    // `Price per unit` is a column.
    if sheet.columns.iter().any(|column| EACH.is_match(&spaced(column.label))) {
        return Vec::new();
    }
    let (stems, columns) = (content_stems(each), 0..sheet.columns.len());
    let whole = |column| Group { column, part: Part::Whole };
    let is_named = |&column: &usize| !labels[column].is_disjoint(&stems);
    let named: Vec<Group> = columns.clone().filter(is_named).map(whole).collect();
    let part = match each {
        each if MONTHLY.is_match(each) => Some(Part::Month),
        each if YEARLY.is_match(each) => Some(Part::Year),
        _ => None,
    };
    let of_kind = |kind: Kind| columns.clone().filter(move |&column| sheet.columns[column].kind == kind);
    match (named.is_empty(), part) {
        (false, _) => named,
        (true, Some(part)) => of_kind(Kind::Date).map(|column| Group { column, part }).collect(),
        (true, None) if is_each => of_kind(Kind::Text).map(whole).collect(),
        (true, None) => Vec::new(),
    }
}

/// How far the row that is asked for stands from the one that is named by the `texts` of its cells.
fn step(sheet: &Sheet, question: &str, texts: &[Vec<String>]) -> isize {
    let names_row = texts.iter().any(|texts| !texts.is_empty());
    if !names_row || asks_for_many(question) || COUNTED.is_match(question) {
        return 0;
    }
    let mut steps: Vec<isize> = Vec::new();
    for parts in BESIDE.captures_iter(question) {
        let Some(whole) = parts.get(0) else { continue };
        if is_followed_by_fact(question, whole.end()) {
            return 0;
        }
        steps.push(if parts.name("before").is_some() { -1 } else { 1 });
    }
    steps.dedup();
    // Only then the order of all rows is looked for, which takes time.
    let [step] = steps.as_slice() else { return 0 };
    let direction = if WRITTEN.is_match(question) { Some(1) } else { sheet.direction() };
    step * direction.unwrap_or(0)
}

fn asks_for_many(question: &str) -> bool {
    MANY.is_match(question) && !ADJACENT.is_match(question)
}

/// Whether the next word that says something, from a byte on, is of a number or a date.
fn is_followed_by_fact(question: &str, from: usize) -> bool {
    let next = tokens(&question[from..]).into_iter().find(|token| token.content);
    next.is_some_and(|next| {
        facts(question).iter().any(|fact| fact.range.contains(&(from + next.range.start)))
    })
}

/// By which columns all are asked for that are on one side of the row that is named by the `texts` of its cells.
fn beyond(sheet: &Sheet, question: &str, texts: &[Vec<String>]) -> Vec<(usize, Ordering)> {
    if texts.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    let (of_number, of_date, end) = if let Some(parts) = THAN.captures(question) {
        let is = |name: &str| parts.name(name).is_some();
        let (number, date) = match () {
            () if is("less") => (Ordering::Less, None),
            () if is("more") => (Ordering::Greater, None),
            // Who is older has more years, and was born before.
            () if is("earlier") => (Ordering::Greater, Some(Ordering::Less)),
            () => (Ordering::Less, Some(Ordering::Greater)),
        };
        (Some(number), date, parts.get(0))
    } else if let Some(parts) = BESIDE.captures(question).filter(|_| asks_for_many(question)) {
        let date = if parts.name("before").is_some() { Ordering::Less } else { Ordering::Greater };
        (None, Some(date), parts.get(0))
    } else {
        return Vec::new();
    };
    if end.is_none_or(|end| is_followed_by_fact(question, end.end())) {
        return Vec::new();
    }
    let side = |column: usize| match sheet.columns[column].kind {
        Kind::Number => of_number,
        Kind::Date => of_date,
        Kind::Text => None,
    };
    (0..sheet.columns.len()).filter_map(|column| Some((column, side(column)?))).collect()
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
            let text = question[range.clone()].trim_end_matches(['\'', '’']);
            let text = text.strip_suffix("'s").or_else(|| text.strip_suffix("’s")).unwrap_or(text);
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
    use super::super::sheet::tests::{of, sheet as table};
    use super::*;

    fn said_of(question: &str) -> Vec<(String, Vec<String>)> {
        let text = "Customer | Result | Paid | Years\n\
                     Harbour Authority | W 3-1 | 2024-05-08 | 1989-1992\n\
                     Wexcombe Water | L 2-0 | 2024-06-03 | 1990-1991";
        let passages = table(text);
        let sheet = of(&passages);
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
        check("What is the harbour authority's result?", &[("customer", &["harbour authority"])]);
        check("Which authority is it?", &[("customer", &["authority"])]);
        check("How many authorities are customers?", &[]);
        check("How many of these authorities are there?", &[]);
        let churches = table(
            "Church | Year\nMost Blessed Sacrament Catholic Church | 1960\nSaint Anthony Catholic Church | 1903",
        );
        let churches = of(&churches);
        let question = "How much later is the year of the king than most blessed sacrament catholic church?";
        assert_eq!(texts(&churches, question)[0], ["blessed sacrament catholic church"]);
    }

    #[test]
    fn what_is_denied_and_what_is_told_apart_is_known() {
        let passages = table("Customer | Paid | Due\nAlda | yes | May\nBerta | | June");
        let sheet = of(&passages);
        let said = |question: &str| {
            let said = Said::of(&sheet, question);
            (said.denies, said.between)
        };
        assert_eq!(said("How many have paid?"), (false, None));
        assert_eq!(said("How many have not paid?"), (true, None));
        assert_eq!(said("How many are unpaid?"), (true, None));
        let difference = Some(Between::Difference);
        assert_eq!(said("How much more has Alda paid than Berta?"), (false, difference));
        assert_eq!(said("What percentage of customers has paid?"), (false, Some(Between::Share)));
        let shares = table("Party | Share of votes\nAlda | 30 %\nBerta | 70 %");
        assert_eq!(Said::of(&of(&shares), "What is the share of Berta?").between, None);
    }

    #[test]
    fn what_a_figure_is_asked_of_is_known() {
        let passages = table(
            "Customer | Region | Paid | Net\nAlda | North | 2024-05-08 | 3\nBerta | West | 2024-06-03 | 4",
        );
        let sheet = of(&passages);
        let whole = |column| Group { column, part: Part::Whole };
        let month = Group { column: 2, part: Part::Month };
        for (question, expected) in [
            ("What is the net total per region?", vec![whole(1)]),
            ("Net total by customer", vec![whole(0)]),
            ("What was paid each month?", vec![month]),
            ("How much did every buyer pay?", vec![whole(0), whole(1)]),
            ("What was paid by Alda?", vec![]),
            ("What is the net total?", vec![]),
        ] {
            assert_eq!(Said::of(&sheet, question).groups, expected, "{question}");
        }
        let prices = table("Unit | Price per unit\nbox | 3\nbag | 4");
        assert_eq!(Said::of(&of(&prices), "What is the price per unit?").groups, []);
    }

    #[test]
    fn the_row_beside_another_is_asked_for_by_one_that_is_named() {
        let years = table("Year | Host\n1999 | Hay\n1998 | Orme\n1997 | Quenby");
        let unordered = table("Host | Town\nHay | A\nOrme | B\nQuenby | C");
        for (question, expected) in [
            ("Who was the host before Orme?", 0),
            ("Which host came before Orme?", 1),
            ("Which host came after Orme?", -1),
            ("What is the next host after Orme?", -1),
            ("Which hosts came after Orme?", -1),
            ("Which hosts had a flood after Orme?", 0),
            ("What was the host before Orme?", 1),
            ("Which host came before 1998?", 0),
            ("How many hosts came before Orme?", 0),
            ("Which host came after the war?", 0),
        ] {
            assert_eq!(Said::of(&of(&years), question).step, expected, "{question}");
            assert_eq!(Said::of(&of(&unordered), question).step, 0, "{question}");
        }
        assert_eq!(Said::of(&of(&unordered), "Which host is listed after Orme?").step, 1);
        assert_eq!(Said::of(&of(&years), "Which host is listed after Orme?").step, 1);
    }

    #[test]
    fn all_on_one_side_of_a_row_are_asked_for_by_comparing_with_it() {
        let staff = table("Name | Born | Salary\nGwen | 1980-02-01 | 3,200\nIvo | 1990-05-02 | 2,900");
        let staff = of(&staff);
        let [less, more] = [Ordering::Less, Ordering::Greater];
        for (question, expected) in [
            ("Who earns more than Gwen?", vec![(2, more)]),
            ("Who has a lower salary than Gwen?", vec![(2, less)]),
            ("Who is older than Ivo?", vec![(1, less), (2, more)]),
            ("Who was born after Gwen?", vec![(1, more)]),
            ("Who earns more than 3,000?", vec![]),
            ("Who was born after 1985?", vec![]),
            ("Who earns more than Mara?", vec![]),
            ("What does Gwen earn?", vec![]),
        ] {
            assert_eq!(Said::of(&staff, question).beyond, expected, "{question}");
        }
    }

    #[test]
    fn what_a_column_lacks_is_named_in_other_words() {
        let invoices = table(
            "No | Paid on | Net\nR1 | 2024-05-08 | 3\nR2 | open | 4\nR3 | 2024-05-09 | 4\nR4 | 2024-05-11 | 4\nR5 | 2024-05-10 | 4",
        );
        let paid = table("No | Paid on | Net\nR1 | 2024-05-08 | 3\nR2 | 2024-05-09 | 4");
        for (question, lacking, denies) in [
            ("Which invoices are unpaid?", vec![1], true),
            ("Which invoices are open?", vec![1], true),
            ("What does Alda owe?", vec![1], true),
            ("Which invoices are not paid?", vec![], true),
            ("Which invoices are paid?", vec![], false),
        ] {
            let said = Said::of(&of(&invoices), question);
            assert_eq!(
                (said.lacking, said.denies, said.denies_twice),
                (lacking, denies, false),
                "{question}"
            );
            assert!(said.empty[1] || question.contains("owe"), "{question}");
        }
        assert!(Said::of(&of(&invoices), "Which invoices are not open?").denies_twice);
        for question in ["Which are unpaid?", "Was ist noch offen?", "Who owes us?", "Which are uninsured?"] {
            assert!(may_lack(question), "{question}");
        }
        for question in ["What is due under the lease?", "Which is the United one until May?", "Which unit?"]
        {
            assert_eq!(may_lack(question), question.contains("due"), "{question}");
        }
        assert_eq!(Said::of(&of(&paid), "Which invoices are unpaid?").lacking, [1]);
        assert!(Said::of(&of(&paid), "What does Alda owe?").lacking.is_empty());
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
