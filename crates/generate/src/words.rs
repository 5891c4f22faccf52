//! The meaningful words of a text, with numbers and dates in one form, as overlap is counted.

use std::collections::BTreeSet;
use std::ops::Range;

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

/// Where `wanted` stands in `text`, whatever the white space, and the case where that may differ.
pub(crate) fn find(text: &str, wanted: &str, any_case: bool) -> Option<Range<usize>> {
    let folded = |c: char| if any_case { c.to_lowercase().next().unwrap_or(c) } else { c };
    let squeezed = |text: &'_ str| -> Vec<(usize, char)> {
        text.char_indices().filter(|(_, c)| !c.is_whitespace()).map(|(at, c)| (at, folded(c))).collect()
    };
    let (squeezed, wanted) = (squeezed(text), squeezed(wanted));
    let at = squeezed
        .windows(wanted.len().max(1))
        .position(|window| window.iter().map(|(_, c)| c).eq(wanted.iter().map(|(_, c)| c)))?;
    let last = squeezed[at + wanted.len().checked_sub(1)?].0;
    Some(squeezed[at].0..last + text[last..].chars().next().map_or(0, char::len_utf8))
}

/// Where whole words of `text` are `wanted`, whatever the case and the white space.
pub(crate) fn find_words(text: &str, wanted: &str) -> Option<Range<usize>> {
    let ends = |next: Option<char>| next.is_none_or(|c| !c.is_alphanumeric());
    let mut from = 0;
    while let Some(range) = find(&text[from..], wanted, true) {
        let range = from + range.start..from + range.end;
        if ends(text[..range.start].chars().next_back()) && ends(text[range.end..].chars().next()) {
            return Some(range);
        }
        from = range.start + text[range.start..].chars().next().map_or(1, char::len_utf8);
    }
    None
}
