//! How a query is written: the grammar that a model is held to, and the reading of what it wrote.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

use super::query::{
    Between, By, Condition, Figure, Function, Group, Order, Part, Query, ROW, Select, Subject, Test, What,
    is_like,
};
use super::said::Said;
use super::sheet::{Kind, Sheet};

/// The regular expression of the queries that ask for nothing but what is in the table and the question: of each column only what the
/// question says of its cells can be required.
pub(crate) fn grammar(sheet: &Sheet, said: &Said) -> String {
    let Said { texts, numbers, empty, denies, between, groups, step, beyond, .. } = said;
    let any = |parts: &[String]| format!("({})", parts.join("|"));
    let names = |kinds: &[Kind]| -> Vec<String> {
        sheet
            .columns
            .iter()
            .filter(|column| kinds.contains(&column.kind))
            .map(|column| column.name.clone())
            .collect()
    };
    let is_place = |number: &&String| number.parse().is_ok_and(|place: usize| place <= sheet.rows.len());
    let places: Vec<String> = numbers.iter().filter(is_place).cloned().collect();
    let has_numbers = !numbers.is_empty();
    let numbers = any(numbers);
    let mut conditions = Vec::new();
    for (at, (column, texts)) in sheet.columns.iter().zip(texts).enumerate() {
        let name = &column.name;
        if empty[at] {
            conditions.push(format!("{name} IS{} NULL", if *denies { "" } else { " NOT" }));
        }
        let flag = column.yes.filter(|yes| texts.iter().any(|text| text == yes));
        let texts: Vec<String> = texts.iter().map(|text| format!("'{}'", regex::escape(text))).collect();
        if let Some(yes) = flag {
            conditions.push(format!("{name}{} LIKE '{yes}'", if *denies { " NOT" } else { "" }));
        } else if !texts.is_empty() {
            let texts = any(&texts);
            conditions.push(format!("{name}( NOT)? LIKE {texts}"));
            conditions.push(format!("{name}( NOT)? IN \\({texts}(, {texts}){{0,5}}\\)"));
            if column.kind == Kind::Date {
                conditions.push(format!("{name} (<|>|<=|>=) {texts}"));
            }
        }
        if column.kind != Kind::Text && has_numbers {
            conditions.push(format!("{name} (=|!=|<|>|<=|>=) {numbers}"));
            conditions.push(format!("{name} BETWEEN {numbers} AND {numbers}"));
        }
    }
    if !places.is_empty() {
        conditions.push(format!("{ROW} (=|<|>|<=|>=) {}", any(&places)));
    }
    let all = any(&names(&[Kind::Number, Kind::Date, Kind::Text]));
    let mut figures = vec![format!("COUNT\\((\\*|(DISTINCT )?{all})\\)")];
    let compared = names(&[Kind::Number, Kind::Date]);
    let ordered: Vec<String> = std::iter::once(ROW.to_owned()).chain(compared.iter().cloned()).collect();
    let added = names(&[Kind::Number]);
    if !added.is_empty() {
        figures.push(format!("(SUM|AVG)\\({}\\)", any(&added)));
    }
    if !compared.is_empty() {
        figures.push(format!("(MIN|MAX)\\({}\\)", any(&compared)));
    }
    let (figure, ordered) = (any(&figures), any(&ordered));
    let required = match conditions.is_empty() {
        true => String::new(),
        false => format!("( WHERE {condition}( (AND|OR) {condition}){{0,3}})?", condition = any(&conditions)),
    };
    match between {
        Some(Between::Difference) => {
            let number = match added.is_empty() {
                true => format!("\\(SELECT {figure} FROM data{required}\\)"),
                false => format!("\\(SELECT ({figure}|{added}) FROM data{required}\\)", added = any(&added)),
            };
            return format!("SELECT {number} - {number}");
        }
        Some(Between::Share) => {
            let number = format!("\\(SELECT {figure} FROM data{required}\\)");
            return format!("SELECT {number} / {number}");
        }
        None => {}
    }
    let named = || {
        let named: Vec<String> = sheet
            .columns
            .iter()
            .zip(texts)
            .flat_map(|(column, texts)| texts.iter().map(|text| (&column.name, regex::escape(text))))
            .map(|(name, text)| format!("{name} LIKE '{text}'"))
            .collect();
        format!("{named}( AND {named})?", named = any(&named))
    };
    if *step != 0 {
        let (named, sign) = (named(), if *step < 0 { '-' } else { '+' });
        return format!(
            "SELECT {all}(, {all})? FROM data WHERE {ROW} = \\(SELECT {ROW} FROM data WHERE {named}\\) \\{sign} 1"
        );
    }
    if !beyond.is_empty() {
        let named = named();
        let compared = |(column, direction): &(usize, Ordering)| {
            let name = &sheet.columns[*column].name;
            let sign = if direction.is_lt() { '<' } else { '>' };
            format!("{name} {sign} \\(SELECT {name} FROM data WHERE {named}\\)")
        };
        let compared = any(&beyond.iter().map(compared).collect::<Vec<_>>());
        return format!("SELECT (COUNT\\(\\*\\)|{all}(, {all})?) FROM data WHERE {compared}");
    }
    if !groups.is_empty() {
        let groups: Vec<String> =
            groups.iter().map(|group| regex::escape(&group_name(*group, sheet))).collect();
        return format!("SELECT {figure} FROM data{required} GROUP BY {}", any(&groups));
    }
    format!(
        "SELECT ({figure}|{all}(, {all})?) FROM data{required}\
         ( GROUP BY {all} ORDER BY {figure}( ASC| DESC)? LIMIT [1-9]| ORDER BY {ordered}( ASC| DESC)? LIMIT [1-9][0-9]?)?"
    )
}

fn group_name(Group { column, part }: Group, sheet: &Sheet) -> String {
    let name = &sheet.columns[column].name;
    match part {
        Part::Whole => name.clone(),
        Part::Month => format!("MONTH({name})"),
        Part::Year => format!("YEAR({name})"),
    }
}

/// Reads a query; `None` of what [`grammar`] does not allow.
pub(crate) fn parse(text: &str, sheet: &Sheet) -> Option<Query> {
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"'[^']*'|<=|>=|!=|[=<>(),*+/]|-?[\w.]+|-").unwrap_or_else(|error| panic!("{error}"))
    });
    let tokens: Vec<&str> = TOKEN.find_iter(text).map(|token| token.as_str()).collect();
    let mut reader = Reader { tokens: &tokens, sheet };
    let query = reader.query()?;
    reader.tokens.is_empty().then_some(query)
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    sheet: &'a Sheet<'a>,
}

impl<'a> Reader<'a> {
    fn query(&mut self) -> Option<Query> {
        let ["SELECT", "(", ..] = self.tokens else {
            return Some(Query { first: self.select()?, second: None });
        };
        self.expect("SELECT")?;
        let first = self.within()?;
        let between = match self.takes("/") {
            true => Between::Share,
            false => self.expect("-").map(|()| Between::Difference)?,
        };
        Some(Query { first, second: Some((between, self.within()?)) })
    }

    fn within(&mut self) -> Option<Select> {
        self.expect("(")?;
        let select = self.select()?;
        self.expect(")")?;
        Some(select)
    }

    fn select(&mut self) -> Option<Select> {
        self.expect("SELECT")?;
        let what = match self.figure() {
            Some(figure) => What::Figure(figure),
            None => What::Cells(self.list(Reader::subject)?),
        };
        self.expect("FROM")?;
        self.expect("data")?;
        if let ["WHERE", ROW, "=", "(", ..] = self.tokens {
            self.tokens = &self.tokens[3..];
            let Select { conditions, .. } = self.within()?;
            let step = if self.takes("-") { -1 } else { self.expect("+").map(|()| 1)? };
            self.expect("1")?;
            return Some(Select { what, conditions, step, group: None, order: None, limit: None });
        }
        let mut conditions = Vec::new();
        if self.takes("WHERE") {
            conditions.push(vec![self.condition()?]);
            loop {
                match (self.takes("AND"), conditions.last_mut()) {
                    (true, Some(all)) => all.push(self.condition()?),
                    _ if self.takes("OR") => {
                        let other = self.condition()?;
                        if let Some(other) =
                            either(conditions.last_mut().and_then(|all| all.last_mut()), other)
                        {
                            conditions.push(vec![other]);
                        }
                    }
                    _ => break,
                }
            }
        }
        let group = if self.takes("GROUP") { self.expect("BY").and_then(|()| self.group()) } else { None };
        let order = if self.takes("ORDER") { self.expect("BY").and_then(|()| self.order()) } else { None };
        let limit = if self.takes("LIMIT") { Some(self.next()?.parse().ok()?) } else { None };
        Some(Select {
            what,
            conditions: conditions.into_iter().map(without_repeated).collect(),
            step: 0,
            group,
            order,
            limit,
        })
    }

    fn group(&mut self) -> Option<Group> {
        let part = match self.tokens {
            ["MONTH", "(", ..] => Part::Month,
            ["YEAR", "(", ..] => Part::Year,
            _ => return Some(Group { column: self.column()?, part: Part::Whole }),
        };
        self.tokens = &self.tokens[2..];
        let column = self.column()?;
        self.expect(")")?;
        Some(Group { column, part })
    }

    fn order(&mut self) -> Option<Order> {
        let by = match self.figure() {
            Some(figure) => By::Figure(figure),
            None => By::Subject(self.subject()?),
        };
        let descending = self.takes("DESC");
        let _ = descending || self.takes("ASC");
        Some(Order { by, descending })
    }

    fn figure(&mut self) -> Option<Figure> {
        let [name, "(", ..] = self.tokens else { return None };
        let function = match *name {
            "COUNT" => Function::Count,
            "SUM" => Function::Sum,
            "AVG" => Function::Average,
            "MIN" => Function::Least,
            "MAX" => Function::Most,
            _ => return None,
        };
        self.tokens = &self.tokens[2..];
        let distinct = self.takes("DISTINCT");
        let column = if self.takes("*") { None } else { Some(self.column()?) };
        self.expect(")")?;
        Some(Figure { function, column, distinct })
    }

    fn condition(&mut self) -> Option<Condition> {
        let subject = self.subject()?;
        let not = self.takes("NOT");
        let is = |not, test| Some(Condition { subject, not, test });
        if let ["<" | ">", "(", ..] = self.tokens {
            let direction = if self.next()? == "<" { Ordering::Less } else { Ordering::Greater };
            let Select { what, conditions, .. } = self.within()?;
            let named = conditions.into_iter().next()?;
            return (what == What::Cells(vec![subject]))
                .then(|| is(false, Test::BeyondRow(direction, named)))?;
        }
        match self.next()? {
            "=" => is(false, Test::Is(vec![self.value()?])),
            "!=" => is(true, Test::Is(vec![self.value()?])),
            "LIKE" => is(not, Test::Like(vec![self.value()?])),
            "<" => is(false, Test::Beyond(Ordering::Less, false, self.value()?)),
            "<=" => is(false, Test::Beyond(Ordering::Less, true, self.value()?)),
            ">" => is(false, Test::Beyond(Ordering::Greater, false, self.value()?)),
            ">=" => is(false, Test::Beyond(Ordering::Greater, true, self.value()?)),
            "BETWEEN" => {
                let from = self.value()?;
                self.expect("AND")?;
                is(false, Test::Between(from, self.value()?))
            }
            "IS" => {
                let not = self.takes("NOT");
                self.expect("NULL")?;
                is(not, Test::Blank)
            }
            "IN" => {
                self.expect("(")?;
                let values = self.list(Reader::value)?;
                self.expect(")")?;
                is(not, Test::Is(values))
            }
            _ => None,
        }
    }

    fn subject(&mut self) -> Option<Subject> {
        if self.takes(ROW) { Some(Subject::Row) } else { self.column().map(Subject::Column) }
    }

    fn column(&mut self) -> Option<usize> {
        let name = self.next()?;
        self.sheet.columns.iter().position(|column| column.name == name)
    }

    fn value(&mut self) -> Option<String> {
        let token = self.next()?;
        Some(token.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(token).to_owned())
    }

    fn list<T>(&mut self, one: fn(&mut Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
        let mut all = vec![one(self)?];
        while self.takes(",") {
            all.push(one(self)?);
        }
        Some(all)
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn takes(&mut self, token: &str) -> bool {
        let is_next = self.tokens.first() == Some(&token);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn expect(&mut self, token: &str) -> Option<()> {
        self.takes(token).then_some(())
    }
}

/// Adds to a condition another one for the same column, so that `A or B, and C` is not `A, or B and C`. Gives back any other.
fn either(last: Option<&mut Condition>, other: Condition) -> Option<Condition> {
    match last {
        Some(Condition { subject, not: false, test: Test::Like(texts) })
            if *subject == other.subject && !other.not && matches!(other.test, Test::Like(_)) =>
        {
            texts.extend(other.test.values().into_iter().map(str::to_owned));
            None
        }
        _ => Some(other),
    }
}

/// Without the parts that only say again what was required before: a small model goes on where it might end.
fn without_repeated(parts: Vec<Condition>) -> Vec<Condition> {
    let mut kept: Vec<Condition> = Vec::new();
    for part in parts {
        let known = |value: &&str| {
            kept.iter().any(|kept| kept.test.values().iter().any(|known| is_like(known, value)))
        };
        let values = part.test.values();
        if values.is_empty() && !kept.contains(&part) || !values.iter().all(known) {
            kept.push(part);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::query::tests::INVOICES;
    use super::super::sheet::tests::{of, sheet};
    use super::*;

    #[test]
    fn what_the_grammar_does_not_allow_is_no_query() {
        let passages = sheet(INVOICES);
        let sheet = of(&passages);
        for other in [
            "None",
            "SELECT",
            "SELECT weight FROM data",
            "SELECT net FROM invoices",
            "SELECT net FROM data WHERE",
            "SELECT net FROM data WHERE net",
            "SELECT net FROM data LIMIT x",
            "SELECT net FROM data; DROP TABLE data",
            "SELECT (SELECT net FROM data) - ",
            "SELECT COUNT(net FROM data",
        ] {
            assert_eq!(parse(other, &sheet), None, "{other}");
        }
    }

    #[test]
    fn only_what_the_question_says_can_be_required() {
        let passages = sheet(INVOICES);
        let sheet = of(&passages);
        let check = |between: Option<Between>, denies: bool, yes: &[&str], no: &[&str]| {
            let texts = vec![vec!["Alda (new)".to_owned()], vec![], vec![], vec![]];
            let empty = vec![false, false, true, false];
            let said = Said {
                texts,
                numbers: vec!["800".to_owned()],
                empty,
                denies,
                denies_twice: false,
                lacking: vec![],
                between,
                groups: vec![],
                each: String::new(),
                step: 0,
                beyond: vec![],
                than: std::collections::BTreeSet::new(),
            };
            let allowed = Regex::new(&format!("^({})$", grammar(&sheet, &said))).unwrap();
            for query in yes {
                assert!(allowed.is_match(query) && parse(query, &sheet).is_some(), "{query}");
            }
            for query in no {
                assert!(!allowed.is_match(query), "{query}");
            }
        };
        let difference =
            "SELECT (SELECT SUM(net) FROM data) - (SELECT net FROM data WHERE customer IN ('Alda (new)'))";
        check(
            None,
            true,
            &[
                "SELECT COUNT(*) FROM data",
                "SELECT customer, net FROM data WHERE customer NOT LIKE 'Alda (new)' AND net >= 800",
                "SELECT customer FROM data WHERE paid IS NULL ORDER BY net DESC LIMIT 3",
                "SELECT customer FROM data GROUP BY customer ORDER BY SUM(net) DESC LIMIT 1",
            ],
            &[
                "SELECT COUNT(*) FROM data WHERE customer LIKE 'Wexcombe'",
                "SELECT COUNT(*) FROM data WHERE net > 900",
                "SELECT COUNT(*) FROM data WHERE row < 800",
                "SELECT SUM(customer) FROM data",
                "SELECT customer FROM data ORDER BY customer ASC LIMIT 1",
                "SELECT COUNT(*) FROM data WHERE paid IS NOT NULL",
                difference,
            ],
        );
        check(Some(Between::Difference), false, &[difference], &["SELECT COUNT(*) FROM data"]);
        let share = "SELECT (SELECT SUM(net) FROM data WHERE net > 800) / (SELECT SUM(net) FROM data)";
        check(Some(Between::Share), false, &[share], &[difference]);
        check(
            None,
            false,
            &["SELECT COUNT(*) FROM data WHERE paid IS NOT NULL"],
            &["SELECT COUNT(*) FROM data WHERE paid IS NULL"],
        );
    }

    #[test]
    fn what_is_required_again_is_dropped() {
        let passages = sheet(INVOICES);
        let sheet = of(&passages);
        let query = |conditions: &str| parse(&format!("SELECT net FROM data WHERE {conditions}"), &sheet);
        let once = query("customer LIKE 'Alda Bridge'");
        assert_eq!(
            query("customer LIKE 'Alda Bridge' AND customer LIKE 'alda' AND net = 'Alda Bridge'"),
            once
        );
        assert_ne!(query("customer LIKE 'Alda Bridge' AND net = 800"), once);
    }
}
