//! Words and sentences of any script, as everything that compares texts here sees them.
//!
//! This is deliberately light: a claim and its evidence are written in the same words most of the time, so a
//! stemmer that folds English inflections and leaves other languages nearly alone is enough, and scripts
//! without spaces are compared by pairs of characters.

mod lexicon;
mod sentences;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

pub(crate) use lexicon::{ANTONYMS, NEGATIONS, NUMBER_WORDS, PRIVATIONS, is_negation, is_stopword};
pub(crate) use sentences::{Wrapping, sentences};

/// A word of a text in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub range: Range<usize>,
    /// Lower case, without inflection; a number without separators.
    pub stem: String,
    /// Whether it carries meaning of its own (is no article, pronoun or question word).
    pub content: bool,
    /// Whether it begins with a capital letter.
    pub capital: bool,
}

/// The words of `text` in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut previous: Option<(Range<usize>, char)> = None;
    for (start, word) in text.unicode_word_indices() {
        let range = start..start + word.len();
        match unspaced(word) {
            Some(character) => {
                let joined = previous.as_ref().filter(|(before, _)| before.end == start);
                match joined {
                    Some((before, first)) => {
                        if found.last().is_some_and(|last: &Token| last.range == *before) {
                            found.pop();
                        }
                        found.push(pair(before.start..range.end, [*first, character].iter().collect()));
                    }
                    None => found.push(pair(range.clone(), character.to_string())),
                }
                previous = Some((range, character));
            }
            None => {
                previous = None;
                found.push(spaced(range, word));
            }
        }
    }
    found
}

/// What stands between the end of one token and the start of the next. Pairs of characters overlap: nothing does.
pub(crate) fn between(text: &str, end: usize, start: usize) -> &str {
    text.get(end..start).unwrap_or("")
}

/// The single character of a word from a script that is written without spaces.
fn unspaced(word: &str) -> Option<char> {
    let mut characters = word.chars();
    let first = characters.next()?;
    let scripts = ['\u{0e00}'..='\u{0eff}', '\u{1000}'..='\u{109f}', '\u{3040}'..='\u{30ff}'];
    let wide = ['\u{3400}'..='\u{9fff}', '\u{f900}'..='\u{faff}', '\u{20000}'..='\u{323af}'];
    let inside = scripts.iter().chain(&wide).any(|range| range.contains(&first));
    (inside && characters.next().is_none()).then_some(first)
}

fn pair(range: Range<usize>, stem: String) -> Token {
    Token { range, stem, content: true, capital: false }
}

fn spaced(range: Range<usize>, word: &str) -> Token {
    let lower = word.to_lowercase().replace('\u{2019}', "'");
    let content = !is_stopword(&lower);
    let capital = word.chars().next().is_some_and(char::is_uppercase);
    Token { range, stem: stem(&lower), content, capital }
}

/// Folds the inflections of a lower-case word; numbers lose their separators and trailing zeros.
pub(crate) fn stem(word: &str) -> String {
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return plain_number(word);
    }
    let word = word.strip_suffix("'s").or_else(|| word.strip_suffix('\'')).unwrap_or(word);
    let word: String = word.chars().filter(|c| *c != '.').map(fold).collect();
    if !word.is_ascii() || word.len() < 4 {
        return word;
    }
    english_stem(&word)
}

/// Letters that differ by an accent only are compared as one.
fn fold(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' => 'a',
        'è' | 'é' | 'ê' | 'ë' | 'ē' => 'e',
        'ì' | 'í' | 'î' | 'ï' | 'ī' => 'i',
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' => 'o',
        'ù' | 'ú' | 'û' | 'ū' => 'u',
        'ç' | 'č' | 'ć' => 'c',
        'ñ' => 'n',
        other => other,
    }
}

fn plain_number(word: &str) -> String {
    let bare: String = word.chars().filter(|c| *c != ',' && *c != '\'').collect();
    match bare.split_once('.') {
        Some((whole, part)) if part.bytes().all(|b| b == b'0') => whole.to_owned(),
        _ => bare,
    }
}

/// The S-stemmer (Harman 1991) and the commonest verb and adverb endings, without restoring a final `e`.
fn english_stem(word: &str) -> String {
    let mut stem = word.to_owned();
    let cut = |stem: &mut String, ending: &str, least: usize, put: &str| -> bool {
        let hit = stem.ends_with(ending) && stem.len() >= ending.len() + least;
        if hit {
            stem.truncate(stem.len() - ending.len());
            stem.push_str(put);
        }
        hit
    };
    if !cut(&mut stem, "ies", 2, "y") && !stem.ends_with("ss") && !stem.ends_with("us") {
        let _ = cut(&mut stem, "sses", 2, "ss") || cut(&mut stem, "s", 3, "");
    }
    let _ = cut(&mut stem, "ing", 4, "") || cut(&mut stem, "ied", 2, "y") || cut(&mut stem, "ed", 3, "");
    let _ = cut(&mut stem, "ation", 3, "at") || cut(&mut stem, "ly", 4, "") || cut(&mut stem, "ment", 4, "");
    let bytes = stem.as_bytes();
    if let [.., a, b] = bytes
        && a == b
        && !matches!(b, b'l' | b's' | b'e' | b'o')
    {
        stem.pop();
    }
    if stem.len() > 3 {
        let _ = cut(&mut stem, "e", 3, "") || cut(&mut stem, "y", 3, "i");
    }
    stem
}

/// How telling each word is among a set of texts (BM25's inverse document frequency, over sentences).
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    texts: usize,
    frequency: BTreeMap<String, usize>,
}

impl Weights {
    pub fn of<'a>(texts: impl Iterator<Item = &'a BTreeSet<String>>) -> Weights {
        let mut weights = Weights::default();
        for stems in texts {
            weights.texts += 1;
            for stem in stems {
                *weights.frequency.entry(stem.clone()).or_default() += 1;
            }
        }
        weights
    }

    pub fn weight(&self, stem: &str) -> f32 {
        let frequency = self.frequency.get(stem).copied().unwrap_or(0) as f32;
        (1.0 + (self.texts as f32 - frequency + 0.5) / (frequency + 0.5)).ln().max(0.05)
    }

    /// The weighted share of `wanted` that `held` holds, from 0 to 1; `None` where nothing is wanted.
    pub fn coverage<'a>(
        &self,
        wanted: impl Iterator<Item = &'a String>,
        held: impl Fn(&str) -> bool,
    ) -> Option<f32> {
        let (mut hit, mut all) = (0.0, 0.0);
        for stem in wanted {
            let weight = self.weight(stem);
            all += weight;
            if held(stem) {
                hit += weight;
            }
        }
        (all > 0.0).then_some(hit / all)
    }
}

/// Cosine of two unit vectors.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str) -> Vec<String> {
        tokens(text).into_iter().filter(|t| t.content).map(|t| t.stem).collect()
    }

    #[test]
    fn inflections_fold_together() {
        for (a, b) in [
            ("terminated", "terminates"),
            ("parties", "party"),
            ("leases", "lease"),
            ("running", "runs"),
            ("centered", "center"),
            ("notified", "notify"),
        ] {
            assert_eq!(stem(a), stem(b), "{a} {b}");
        }
        assert_ne!(stem("universe"), stem("university"));
    }

    #[test]
    fn numbers_and_small_words() {
        assert_eq!(stems("The rent is 1,200.00 euros"), ["rent", "1200", "euro"]);
        assert_eq!(stems("What is it?"), Vec::<String>::new());
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(stems("租金每月"), ["租金", "金每", "每月"]);
        assert_eq!(stems("金"), ["金"]);
    }
}
