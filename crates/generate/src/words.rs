//! The meaningful words of a text, with numbers and dates in one form, as overlap is counted.

use std::collections::BTreeSet;

use crate::facts::{Fact, Found, facts};
use crate::text::tokens;

/// The stems of the meaningful words of `text` in order; what belongs to one of its `facts` is replaced by its value,
/// so that `March 1, 2024` and `2024-03-01` are the same words.
pub(crate) fn content_words(text: &str, facts: &[Found]) -> Vec<String> {
    let mut words = Vec::new();
    let mut written: Option<usize> = None;
    for token in tokens(text) {
        let inside = facts.iter().position(|fact| fact.holds(&token.range));
        match inside {
            Some(at) if written == Some(at) => {}
            Some(at) => {
                words.extend(value_words(&facts[at].fact));
                written = Some(at);
            }
            None if token.content => words.push(token.stem),
            None => {}
        }
    }
    words
}

fn value_words(fact: &Fact) -> Vec<String> {
    match fact {
        Fact::Number { value, .. } => vec![value.to_string()],
        Fact::Date { year, month, day, .. } => {
            let month = (*month > 0).then(|| format!("month {month}"));
            let parts = [(*year > 0).then(|| year.to_string()), month, (*day > 0).then(|| day.to_string())];
            parts.into_iter().flatten().collect()
        }
    }
}

/// The set of [`content_words`].
pub(crate) fn content_stems(text: &str) -> BTreeSet<String> {
    content_words(text, &facts(text)).into_iter().collect()
}
