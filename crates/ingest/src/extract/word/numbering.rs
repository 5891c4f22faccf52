//! The numbers that Word shows before paragraphs (ECMA-376 part 1, 17.9): they are counted when the document is
//! shown, and texts refer to them (`see clause 4.2`).

use std::collections::HashMap;

use super::super::xml::{Node, Walk};

/// Deepest level of a list.
const LEVELS: usize = 9;

#[derive(Clone, Default)]
struct Level {
    format: String,
    /// What is shown, `%1` standing for the number of the first level.
    text: String,
    start: u32,
    /// The paragraph style that is numbered on this level.
    style: Option<String>,
}

/// A definition that several lists may share, which then count on together.
#[derive(Default)]
struct Definition {
    levels: Vec<Level>,
    /// The name of the list style that it is, or that it stands for.
    is_style: Option<String>,
    of_style: Option<String>,
    counts: [Option<u32>; LEVELS],
}

#[derive(Default)]
struct List {
    definition: String,
    /// Levels that begin anew with this list.
    restarts: Vec<(usize, u32)>,
}

/// The lists of a document, counted as its paragraphs come.
#[derive(Default)]
pub(super) struct Numbering {
    definitions: HashMap<String, Definition>,
    lists: HashMap<String, List>,
}

impl Numbering {
    pub fn read(xml: &str) -> Numbering {
        let mut numbering = Numbering::default();
        let (mut definition, mut list, mut level) = (None, None, 0);
        for node in Walk::new(xml) {
            let Node::Open(element) = node else { continue };
            let value = || element.attribute("val");
            let number = || value().and_then(|value| value.parse::<u32>().ok());
            match element.name() {
                "abstractNum" => (definition, list) = (element.attribute("abstractNumId"), None),
                "num" => (definition, list) = (None, element.attribute("numId")),
                "lvl" | "lvlOverride" => {
                    level = element
                        .attribute("ilvl")
                        .and_then(|level| level.parse().ok())
                        .unwrap_or(0)
                        .min(LEVELS - 1);
                }
                name => match (&definition, &list) {
                    (Some(id), _) => {
                        let definition: &mut Definition =
                            numbering.definitions.entry(id.clone()).or_default();
                        match name {
                            "styleLink" => definition.is_style = value(),
                            "numStyleLink" => definition.of_style = value(),
                            "start" => definition.level(level).start = number().unwrap_or(1),
                            "numFmt" => definition.level(level).format = value().unwrap_or_default(),
                            "lvlText" => definition.level(level).text = value().unwrap_or_default(),
                            "pStyle" => definition.level(level).style = value(),
                            _ => {}
                        }
                    }
                    (None, Some(id)) => {
                        let list: &mut List = numbering.lists.entry(id.clone()).or_default();
                        match name {
                            "abstractNumId" => list.definition = value().unwrap_or_default(),
                            "startOverride" => list.restarts.push((level, number().unwrap_or(1))),
                            _ => {}
                        }
                    }
                    (None, None) => {}
                },
            }
        }
        numbering
    }

    /// The level on which a list numbers the paragraphs of a style.
    pub fn level_of_style(&self, list: &str, style: &str) -> Option<usize> {
        let definition = self.definitions.get(&self.lists.get(list)?.definition)?;
        definition.levels.iter().position(|level| level.style.as_deref() == Some(style))
    }

    /// Counts the next paragraph of a list; returns what stands before it, which is nothing for a bullet.
    pub fn next(&mut self, list: &str, level: usize) -> Option<String> {
        let level = level.min(LEVELS - 1);
        let list = self.lists.get_mut(list)?;
        let mut id = list.definition.clone();
        if let Some(style) = self.definitions.get(&id).and_then(|definition| definition.of_style.clone()) {
            let named = self.definitions.iter().find(|(_, other)| other.is_style.as_ref() == Some(&style));
            id = named.map_or(id, |(id, _)| id.clone());
        }
        let definition = self.definitions.get_mut(&id)?;
        for (level, start) in list.restarts.drain(..) {
            definition.counts[level] = Some(start.saturating_sub(1));
        }
        let start = definition.level(level).start;
        definition.counts[level] =
            Some(definition.counts[level].map_or(start, |count| count.saturating_add(1)));
        definition.counts[level + 1..].fill(None);
        let shown = definition
            .levels
            .get(level)
            .filter(|level| !matches!(level.format.as_str(), "bullet" | "none"))?;
        let mut text = shown.text.clone();
        for (position, inner) in definition.levels.iter().enumerate().take(level + 1) {
            let count = definition.counts[position].unwrap_or(inner.start);
            text = text.replace(&format!("%{}", position + 1), &numeral(count, &inner.format));
        }
        Some(text)
    }
}

impl Definition {
    fn level(&mut self, level: usize) -> &mut Level {
        if self.levels.len() <= level {
            self.levels.resize(level + 1, Level { start: 1, ..Level::default() });
        }
        &mut self.levels[level]
    }
}

/// A number in one of the formats of ECMA-376 part 1, 17.18.59; in figures where it is another.
fn numeral(number: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(number),
        "upperLetter" => letters(number).to_uppercase(),
        "lowerRoman" => roman(number),
        "upperRoman" => roman(number).to_uppercase(),
        "decimalZero" => format!("{number:02}"),
        _ => number.to_string(),
    }
}

/// a to z, then aa, bb …
fn letters(number: u32) -> String {
    let Some(position) = number.checked_sub(1) else { return String::new() };
    let letter = char::from(b'a' + u8::try_from(position % 26).unwrap_or(0));
    std::iter::repeat_n(letter, (position / 26 + 1).min(8) as usize).collect()
}

fn roman(number: u32) -> String {
    const VALUES: [(u32, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut left = number.min(4000);
    let mut text = String::new();
    for (value, letters) in VALUES {
        while left >= value {
            text.push_str(letters);
            left -= value;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_counted_as_word_shows_them() {
        let xml = "<w:numbering><w:abstractNum w:abstractNumId=\"0\">\
            <w:lvl w:ilvl=\"0\"><w:start w:val=\"1\"/><w:numFmt w:val=\"decimal\"/><w:lvlText w:val=\"%1.\"/></w:lvl>\
            <w:lvl w:ilvl=\"1\"><w:start w:val=\"1\"/><w:numFmt w:val=\"decimal\"/><w:lvlText w:val=\"%1.%2\"/></w:lvl>\
            <w:lvl w:ilvl=\"2\"><w:start w:val=\"1\"/><w:numFmt w:val=\"lowerLetter\"/><w:lvlText w:val=\"(%3)\"/></w:lvl>\
            <w:lvl w:ilvl=\"3\"><w:numFmt w:val=\"bullet\"/><w:lvlText w:val=\"x\"/></w:lvl></w:abstractNum>\
            <w:num w:numId=\"1\"><w:abstractNumId w:val=\"0\"/></w:num>\
            <w:num w:numId=\"2\"><w:abstractNumId w:val=\"0\"/><w:lvlOverride w:ilvl=\"0\"><w:startOverride w:val=\"7\"/>\
            </w:lvlOverride></w:num></w:numbering>";
        let mut numbering = Numbering::read(xml);
        let steps =
            [("1", 0), ("1", 1), ("1", 1), ("1", 2), ("1", 2), ("1", 3), ("1", 0), ("1", 1), ("2", 0)];
        let shown: Vec<String> =
            steps.iter().map(|(list, level)| numbering.next(list, *level).unwrap_or_default()).collect();
        assert_eq!(shown, ["1.", "1.1", "1.2", "(a)", "(b)", "", "2.", "2.1", "7."]);
    }

    #[test]
    fn numerals_are_written_in_their_format() {
        assert_eq!(numeral(28, "lowerLetter"), "bb");
        assert_eq!(numeral(1994, "upperRoman"), "MCMXCIV");
        assert_eq!(numeral(3, "decimalZero"), "03");
    }
}
