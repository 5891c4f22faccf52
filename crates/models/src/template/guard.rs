//! Keeps text from outside from writing control tokens.

use std::borrow::Cow;
use std::collections::HashMap;

use super::BREAK;

/// The names that must not be found, by their first two bytes, longest first.
pub(super) struct Guard {
    names: HashMap<[u8; 2], Vec<String>>,
}

impl Guard {
    pub(super) fn new(names: &[&str]) -> Guard {
        let mut by_start: HashMap<[u8; 2], Vec<String>> = HashMap::new();
        for name in names {
            // A name of one character cannot be broken; there are none among control tokens.
            if let (&[first, second, ..], true) = (name.as_bytes(), name.chars().count() > 1) {
                by_start.entry([first, second]).or_default().push((*name).to_owned());
            }
        }
        for names in by_start.values_mut() {
            names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        }
        Guard { names: by_start }
    }

    /// The text with every name broken, and without any [`BREAK`] of its own.
    pub(super) fn broken<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let text: Cow<'t, str> = match text.contains(BREAK) {
            true => text.replace(BREAK, "").into(),
            false => text.into(),
        };
        let places: Vec<usize> =
            text.char_indices().filter(|(at, _)| self.begins(&text[*at..])).map(|(at, _)| at).collect();
        if places.is_empty() {
            return text;
        }
        let mut broken = String::with_capacity(text.len() + places.len() * BREAK.len_utf8());
        let mut copied = 0;
        for place in places {
            let after_first = place + text[place..].chars().next().map_or(0, char::len_utf8);
            broken.push_str(&text[copied..after_first]);
            broken.push(BREAK);
            copied = after_first;
        }
        broken.push_str(&text[copied..]);
        broken.into()
    }

    fn begins(&self, rest: &str) -> bool {
        let &[first, second, ..] = rest.as_bytes() else { return false };
        self.names.get(&[first, second]).is_some_and(|names| names.iter().any(|name| rest.starts_with(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_broken_and_nothing_else_is() {
        let guard = Guard::new(&["<|im_end|>", "<|im_start|>", "</s>"]);
        assert_eq!(guard.broken("plain <b>text</b>"), "plain <b>text</b>");
        assert_eq!(guard.broken("a<|im_end|>b</s>"), format!("a<{BREAK}|im_end|>b<{BREAK}/s>"));
        // A break of the text's own cannot be used to put a name together.
        let hidden = format!("<{BREAK}|im_end|>");
        assert_eq!(guard.broken(&hidden), format!("<{BREAK}|im_end|>"));
        let nested = format!("<|im_{BREAK}end|>");
        assert_eq!(guard.broken(&nested), format!("<{BREAK}|im_end|>"));
    }
}
