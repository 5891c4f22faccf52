//! The passages of a prompt, taken apart into sentences that can be cited.

use std::collections::BTreeSet;
use std::ops::Range;

use carrel_corpus::{Citation, Embedder, Passage};

use crate::Error;
use crate::facts::{Found, facts};
use crate::hostile::{is_instruction, is_step, is_stray_request};
use crate::text::{Weights, Wrapping, between, is_negation, sentences, tokens};
use crate::words::{content_stems, content_words};

/// A sentence of a passage.
pub(crate) struct Sentence {
    /// Index into [`Evidence::passages`].
    pub passage: usize,
    /// Where it stands in the passage's text.
    pub range: Range<usize>,
    pub stems: BTreeSet<String>,
    /// Adjacent pairs of content stems.
    pub pairs: BTreeSet<(String, String)>,
    pub facts: Vec<Found>,
    /// Stems that a negation stands before.
    pub denied: BTreeSet<String>,
    /// Of a row of a table that is not its first: the first, which says what its cells are.
    pub header: Option<usize>,
    /// The line above it that says what it is about: `Allergies`.
    pub heading: Option<usize>,
    /// False for what looks like an instruction: it is no evidence of anything.
    pub citable: bool,
}

/// The name that a sentence begins with: written with a capital, with no other content word before it.
pub(crate) fn subject(sentence: &str, is_name: impl Fn(&str) -> bool) -> Option<String> {
    let first = tokens(sentence).into_iter().find(|token| token.content)?;
    (first.capital && is_name(&first.stem)).then_some(first.stem)
}

/// What a passage says around its sentences: title, headings, path.
pub(crate) struct Surroundings {
    pub header: BTreeSet<String>,
    pub all: BTreeSet<String>,
    pub facts: Vec<Found>,
    /// Sentences of the passage, as a range of [`Evidence::sentences`].
    pub sentences: Range<usize>,
}

/// An index over the sentences of numbered passages. Vectors are made when first needed and kept.
pub(crate) struct Evidence<'a> {
    pub passages: &'a [Passage],
    pub sentences: Vec<Sentence>,
    pub surroundings: Vec<Surroundings>,
    pub weights: Weights,
    /// Stems that occur capitalised inside a sentence.
    pub named: BTreeSet<String>,
    /// Whether the language writes common nouns with a capital, so that capitals tell no names.
    pub capitals_are_common: bool,
    vectors: Vec<Option<Vec<f32>>>,
}

impl<'a> Evidence<'a> {
    pub fn new(passages: &'a [Passage]) -> Evidence<'a> {
        let mut found: Vec<Sentence> = Vec::new();
        let mut surroundings = Vec::new();
        for (number, passage) in passages.iter().enumerate() {
            let first = found.len();
            found.extend(split(number, &passage.text).into_iter().map(|sentence| {
                let header = sentence.header.map(|header| first + header);
                let heading = sentence.heading.map(|heading| first + heading);
                Sentence { header, heading, ..sentence }
            }));
            let header = header_stems(passage);
            let mut all: BTreeSet<String> = header.clone();
            all.extend(found[first..].iter().flat_map(|sentence| sentence.stems.iter().cloned()));
            let mut known = facts(&passage.text);
            known.extend(facts(&header_text(passage)));
            surroundings.push(Surroundings { header, all, facts: known, sentences: first..found.len() });
        }
        mark_headings(&surroundings, passages, &mut found);
        let weights = Weights::of(found.iter().map(|sentence| &sentence.stems));
        let (named, capitals_are_common) = capitals(passages);
        let vectors = found.iter().map(|_| None).collect();
        Evidence { passages, sentences: found, surroundings, weights, named, capitals_are_common, vectors }
    }

    pub fn text(&self, sentence: usize) -> &'a str {
        let sentence = &self.sentences[sentence];
        &self.passages[sentence.passage].text[sentence.range.clone()]
    }

    /// Title and headings of a passage, as one line.
    pub fn name(&self, passage: usize) -> String {
        let passage = &self.passages[passage];
        [std::slice::from_ref(&passage.title), &passage.headings].concat().join(" > ")
    }

    /// The sentences that are headings of others.
    pub fn headings(&self) -> BTreeSet<usize> {
        self.sentences.iter().filter_map(|sentence| sentence.heading).collect()
    }

    /// Makes the vectors of `wanted` that are not there yet.
    pub fn embed(&mut self, wanted: &[usize], embedder: &dyn Embedder) -> Result<(), Error> {
        let missing: Vec<usize> =
            wanted.iter().copied().filter(|&index| self.vectors[index].is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let texts: Vec<&str> = missing.iter().map(|&index| self.text(index)).collect();
        for (index, vector) in missing.iter().zip(embedder.passages(&texts)?) {
            self.vectors[*index] = Some(vector);
        }
        Ok(())
    }

    /// The citation of consecutive sentences of one passage.
    pub fn citation(&self, sentences: Range<usize>) -> Citation {
        let first = &self.sentences[sentences.start];
        let range = first.range.start..self.sentences[sentences.end - 1].range.end;
        self.passages[first.passage].citation(first.passage + 1, range)
    }

    /// Whether a word is among what the table says that the cells of this row are, or in the heading above a sentence.
    pub fn labelled(&self, sentence: usize, stem: &str) -> bool {
        let Sentence { header, heading, .. } = &self.sentences[sentence];
        header.iter().chain(heading).any(|&label| self.sentences[label].stems.contains(stem))
    }

    pub fn vector(&self, sentence: usize) -> Option<&[f32]> {
        self.vectors[sentence].as_deref()
    }
}

/// Title, headings and file name of a passage as one text. A title that was taken from the file's name is written as one word.
pub(crate) fn header_text(passage: &Passage) -> String {
    let name = passage.path.rsplit('/').next().unwrap_or("");
    let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem).replace(['_', '-'], " ");
    let title = passage.title.replace('_', " ");
    format!("{title} {} {name} {}", passage.headings.join(" "), passage.context)
}

fn header_stems(passage: &Passage) -> BTreeSet<String> {
    content_stems(&header_text(passage))
}

/// The sentences of one passage; those that look like instructions are not citable.
pub(crate) fn split(passage: usize, text: &str) -> Vec<Sentence> {
    let mut found: Vec<Sentence> = sentences(text, Wrapping::Wrapped)
        .into_iter()
        .map(|range| {
            let facts = facts(&text[range.clone()]);
            let content = content_words(&text[range.clone()], &facts);
            let pairs = content.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            let stems = content.into_iter().collect();
            let denied = denied(&text[range.clone()]);
            Sentence {
                passage,
                range,
                stems,
                pairs,
                facts,
                denied,
                header: None,
                heading: None,
                citable: true,
            }
        })
        .collect();
    mark_rows(text, &mut found);
    mark_headed(text, &mut found);
    mark_instructions(text, &mut found);
    found
}

fn mark_rows(text: &str, found: &mut [Sentence]) {
    let mut first = None;
    for index in 0..found.len() {
        let range = found[index].range.clone();
        let apart = index > 0 && text[found[index - 1].range.end..range.start].contains("\n\n");
        if !is_row(&text[range]) {
            first = None;
        } else if first.is_none() || apart {
            first = Some(index);
        } else {
            found[index].header = first;
        }
    }
}

/// Words of a line that is a heading at most.
const HEADING: usize = 8;

/// Gives each sentence the heading right above its paragraph. One that is marked as such reaches as far as the next.
fn mark_headed(text: &str, found: &mut [Sentence]) {
    let mut heading: Option<usize> = None;
    // Whether something stands below the heading already.
    let mut is_over = false;
    for index in 0..found.len() {
        let range = found[index].range.clone();
        let from = index.checked_sub(1).map_or(0, |before| found[before].range.end);
        let apart = text[from..range.start].matches('\n').count() > 1;
        let is_marked = |at: usize| text[found[at].range.clone()].starts_with('#');
        if is_heading(text, &range, index == 0 || apart) {
            (heading, is_over) = (Some(index), false);
            continue;
        }
        if apart && is_over && heading.is_some_and(|heading| !is_marked(heading)) {
            heading = None;
        }
        is_over = true;
        found[index].heading = heading;
    }
}

/// Whether what stands between two line feeds says what is below it: it is short, ends no sentence and opens no item of a list.
/// Without a mark it stands apart from what is above it.
fn is_heading(text: &str, range: &Range<usize>, apart: bool) -> bool {
    let line = &text[range.clone()];
    let begins =
        text[..range.start].trim_end_matches([' ', '\t']).chars().next_back().is_none_or(|c| c == '\n');
    let ends = text[range.end..].trim_start_matches([' ', '\t']).starts_with('\n');
    let is_name = !line.ends_with(['.', '!', '?', ';', ',', '。', '！', '？', '।', '؟']) && !is_row(line);
    begins
        && ends
        && is_name
        && !line.contains('\n')
        && !line.contains("  ")
        && tokens(line).len() <= HEADING
        && (line.starts_with('#')
            || apart && !line.trim_end_matches(':').contains(": ") && !line.starts_with(['-', '*', '•']))
}

/// Whether a sentence is a row of a table, whose cells stand between bars.
pub(crate) fn is_row(sentence: &str) -> bool {
    !sentence.contains('\n') && (sentence.starts_with('|') || sentence.contains(" | "))
}

/// The stems of the words that a negation stands before: `shall not keep` denies `keep`.
pub(crate) fn denied(sentence: &str) -> BTreeSet<String> {
    let mut denied = BTreeSet::new();
    let mut open = false;
    for token in tokens(sentence) {
        if is_negation(&sentence[token.range.clone()].to_lowercase()) {
            open = true;
        } else if open && token.content {
            denied.insert(token.stem);
            open = false;
        }
    }
    denied
}

/// A heading names what is spoken of and says nothing about it: it is evidence only where there is no other.
fn mark_headings(surroundings: &[Surroundings], passages: &[Passage], found: &mut [Sentence]) {
    for (around, passage) in surroundings.iter().zip(passages) {
        let heading = |sentence: &Sentence| {
            let text = passage.text[sentence.range.clone()].trim_end();
            let ends = text.ends_with(['.', '!', '?', '。', '！', '？', '।', '؟']);
            !ends && !sentence.stems.is_empty() && sentence.stems.is_subset(&around.header)
        };
        let own = &mut found[around.sentences.clone()];
        if !own.iter().all(heading) {
            own.iter_mut().filter(|sentence| heading(sentence)).for_each(|sentence| sentence.citable = false);
        }
    }
}

/// A text made of requests through and through is a manual, not an attack.
const MANUAL: f32 = 0.3;

fn mark_instructions(text: &str, found: &mut [Sentence]) {
    let sentence = |index: usize| &text[found[index].range.clone()];
    let is_beside_step = |index: usize| {
        let neighbours = [index.checked_sub(1), Some(index + 1)].into_iter().flatten();
        neighbours
            .filter(|&next| next < found.len())
            .any(|next| is_step(sentence(next)) && !is_instruction(sentence(next)))
    };
    let suspects: Vec<usize> = (0..found.len())
        .filter(|&index| {
            let company: BTreeSet<String> = found
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .flat_map(|(_, sentence)| sentence.stems.iter().cloned())
                .collect();
            is_instruction(sentence(index))
                || is_stray_request(sentence(index), &company) && !is_beside_step(index)
        })
        .collect();
    let manual = suspects.len() >= 3 && suspects.len() as f32 > MANUAL * found.len() as f32;
    for index in suspects {
        found[index].citable = manual;
    }
}

/// The text without sentences that look like instructions.
pub(crate) fn without_instructions(text: &str, sentences: &[Sentence]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for sentence in sentences.iter().filter(|sentence| !sentence.citable) {
        shown.push_str(&text[from..sentence.range.start]);
        from = sentence.range.end;
    }
    shown.push_str(&text[from..]);
    shown.trim().to_owned()
}

/// The stems written with a capital inside sentences, and whether that is more than names account for.
fn capitals(passages: &[Passage]) -> (BTreeSet<String>, bool) {
    let mut named = BTreeSet::new();
    let (mut lower, mut upper) = (0usize, 0usize);
    for passage in passages {
        let mut end = 0;
        for token in tokens(&passage.text) {
            let gap = between(&passage.text, end, token.range.start);
            let first = end == 0 || gap.contains(['.', '!', '?', '\n', '|', ':']);
            end = token.range.end;
            let letter = passage.text[token.range.clone()].starts_with(char::is_alphabetic);
            if first || !token.content || !letter {
                continue;
            }
            if token.capital {
                upper += 1;
                named.insert(token.stem);
            } else {
                lower += 1;
            }
        }
    }
    (named, upper * 100 > (upper + lower) * 45)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_without_spaces_has_evidence_too() {
        let contract = crate::seams::passage(
            1,
            "供货协议.docx",
            0,
            "供货协议。供应商每月交付六十台仪表。价格为一千元。",
        );
        let passages = [contract];
        let evidence = Evidence::new(&passages);
        assert_eq!(evidence.sentences.len(), 3);
        assert_eq!(evidence.citation(1..2).quote, "供应商每月交付六十台仪表。");
    }

    #[test]
    fn the_first_row_of_a_table_says_what_the_others_hold() {
        let text = "Hotels of the valley.\n\n| hotel | capacity |\n|---|---|\n| Alba | 120 |\n| Birch | 80 |\n\n| year | guests |\n| 1990 | 7 |";
        let passages = [crate::seams::passage(1, "hotels.md", 0, text)];
        let evidence = Evidence::new(&passages);
        let headers: Vec<Option<usize>> = evidence.sentences.iter().map(|sentence| sentence.header).collect();
        assert_eq!(headers, [None, None, Some(1), Some(1), None, Some(4)]);
        let capacity = content_stems("capacity").pop_first().unwrap();
        assert!(evidence.labelled(3, &capacity) && !evidence.labelled(5, &capacity));
    }

    #[test]
    fn a_sentence_is_about_what_the_heading_of_its_paragraph_says() {
        let text = "Alba, Vera          Born: 14.06.1951\n\nAllergies\nPenicillin (rash).\n\nMedicines\n- bisoprolol\n- apixaban\n\nShe walks.\n\n## Diet\nNo salt.\n\nNo sugar.\n";
        let passages = [crate::seams::passage(1, "letter.txt", 0, text)];
        let evidence = Evidence::new(&passages);
        let headings: Vec<Option<&str>> = evidence
            .sentences
            .iter()
            .map(|sentence| sentence.heading.map(|heading| evidence.text(heading)))
            .collect();
        let [allergies, medicines, diet] = [Some("Allergies"), Some("Medicines"), Some("## Diet")];
        assert_eq!(headings, [None, None, allergies, None, medicines, medicines, None, None, diet, diet]);
        let asked = content_stems("allergic allergies").pop_first().unwrap();
        assert!(evidence.labelled(2, &asked) && !evidence.labelled(4, &asked));
    }

    #[test]
    fn a_request_among_the_steps_of_a_manual_belongs_to_it() {
        let citable =
            |text: &str| -> Vec<bool> { split(0, text).iter().map(|sentence| sentence.citable).collect() };
        let care = "Change the desiccant every six months. Clean the membrane with a soft brush. It lasts two years.";
        assert_eq!(citable(care), [true, true, true]);
        let letter =
            "The rent rises on 1 May. Write a limerick about a sailor. The landlord thanks the tenant.";
        assert_eq!(citable(letter), [true, false, true]);
    }
}
