//! The words of file names: a question that has several of them means that file.

use std::collections::HashMap;

use tantivy::Term;

use crate::catalog::documents::name_of;
use crate::words;

/// For each word, as the stems field has it, the documents whose file is called by it.
#[derive(Default)]
pub(crate) struct Names {
    words: HashMap<String, u32>,
    /// For each word the places of its documents.
    places: Vec<Vec<u32>>,
    /// For each document its words.
    names: Vec<Vec<u32>>,
}

impl Names {
    /// Takes in what the document at `place` is called, now or from now on.
    pub(crate) fn put(&mut self, place: u32, path: &str, language: &str) {
        let at = place as usize;
        if self.names.len() <= at {
            self.names.resize_with(at + 1, Vec::new);
        }
        let mut name: Vec<u32> = words_of(path, language).into_iter().map(|word| self.word(word)).collect();
        name.sort_unstable();
        name.dedup();
        let former = std::mem::take(&mut self.names[at]);
        // A word that stays is left alone: a folder of files that share it may be renamed.
        for word in former.iter().filter(|word| name.binary_search(word).is_err()) {
            self.places[*word as usize].retain(|other| *other != place);
        }
        for word in name.iter().filter(|word| former.binary_search(word).is_err()) {
            self.places[*word as usize].push(place);
        }
        self.names[at] = name;
    }

    fn word(&mut self, word: String) -> u32 {
        *self.words.entry(word).or_insert_with(|| {
            self.places.push(Vec::new());
            self.places.len() as u32 - 1
        })
    }

    /// The documents whose names have any of the terms, ascending.
    pub(crate) fn holding(&self, terms: &[Term]) -> Vec<u32> {
        let mut places = Vec::new();
        for term in terms {
            let word = term.value().as_str().and_then(|word| self.words.get(word).copied());
            places.extend(word.into_iter().flat_map(|word| &self.places[word as usize]));
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

fn words_of(path: &str, language: &str) -> Vec<String> {
    // No tokenizer parts words at an underscore.
    let tokens = words::tokens(&name_of(path).replace('_', " "));
    tokens.iter().filter(|token| token.kind.is_stemmed()).map(|token| words::stem(token, language)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tantivy::schema::Field;

    #[test]
    fn a_renamed_file_is_called_by_its_new_name() {
        let mut names = Names::default();
        names.put(0, "/reports/2023 Q2 AAPL.pdf", "en");
        names.put(1, "/reports/2023_Q3_AAPL.pdf", "en");
        let holding = |names: &Names, word: &str| {
            let token = words::tokens(word).remove(0);
            names.holding(&[Term::from_field_text(Field::from_field_id(0), &words::stem(&token, "en"))])
        };
        assert_eq!(holding(&names, "2023"), [0, 1]);
        assert_eq!(holding(&names, "Q2"), [0]);
        assert!(holding(&names, "pdf").is_empty() && holding(&names, "reports").is_empty());
        names.put(0, "/former/2023 Q2 AAPL.pdf", "en");
        assert_eq!((holding(&names, "AAPL"), holding(&names, "Q2")), (vec![0, 1], vec![0]));
        names.put(0, "/reports/2022 Q4 AAPL.pdf", "en");
        assert_eq!(holding(&names, "2023"), [1]);
        assert!(holding(&names, "Q2").is_empty());
        assert_eq!(holding(&names, "Q4"), [0]);
    }
}
