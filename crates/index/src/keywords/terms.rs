//! From the words of a question to weighted groups of terms.

use std::collections::BTreeSet;

use tantivy::Term;

use super::Fields;
use crate::words::{self, Kind, Token};

/// Terms that stand for one word of the question: a passage that has any of them has the word.
#[derive(Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) field: FieldOf,
    pub(crate) terms: Vec<Term>,
    pub(crate) weight: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldOf {
    Exact,
    Stems,
}

/// Weight of a word's exact form beside its stem. It rewards the same inflection and finds what was typed without
/// accents.
const EXACT: f32 = 0.15;
/// Weight of an identifier's whole form beside its parts.
const WHOLE: f32 = 1.0;
/// Weight of a pair of Chinese or Japanese characters beside the dictionary words.
const PAIR: f32 = 0.5;

/// The groups for `question`; `languages` are those of the library's documents, since a word is stemmed as each
/// document's own language does it.
pub(crate) fn groups(question: &str, languages: &[&str], fields: Fields) -> Vec<Group> {
    let tokens = words::tokens(question);
    let mut groups = Vec::new();
    for token in &tokens {
        if token.kind.is_stemmed() {
            let stems: BTreeSet<String> =
                languages.iter().chain(&[""]).map(|language| words::stem(token, language)).collect();
            let terms = stems.iter().map(|stem| Term::from_field_text(fields.stems, stem)).collect();
            groups.push(Group { field: FieldOf::Stems, terms, weight: 1.0 });
        }
        let weight = match token.kind {
            Kind::Word => EXACT,
            Kind::Whole => WHOLE,
            Kind::Pair => PAIR,
            Kind::Segment => continue,
        };
        let terms = vec![Term::from_field_text(fields.exact, &token.folded)];
        groups.push(Group { field: FieldOf::Exact, terms, weight });
    }
    merge(groups)
}

/// A word that is repeated counts as often as it is said.
fn merge(groups: Vec<Group>) -> Vec<Group> {
    let mut merged: Vec<Group> = Vec::with_capacity(groups.len());
    for group in groups {
        match merged.iter_mut().find(|other| other.terms == group.terms) {
            Some(other) => other.weight += group.weight,
            None => merged.push(group),
        }
    }
    merged
}

/// The exact terms of `phrase` with their places; of tokens at one place, the part is enough.
pub(crate) fn phrase(phrase: &str, fields: Fields) -> Vec<(usize, Term)> {
    let mut terms: Vec<(usize, Term)> = Vec::new();
    let exact = |token: &&Token| token.kind.is_exact() && token.kind != Kind::Whole;
    for token in words::tokens(phrase).iter().filter(exact) {
        if terms.last().is_none_or(|(position, _)| *position != token.position) {
            terms.push((token.position, Term::from_field_text(fields.exact, &token.folded)));
        }
    }
    terms
}
