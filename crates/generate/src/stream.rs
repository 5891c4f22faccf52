//! Cuts what a model writes into finished sentences while it is still writing, and takes its `[2]` marks out.

use std::ops::Range;

use crate::prompt::ABSENT;
use crate::text::{Wrapping, sentences};

/// A finished sentence of the cleaned text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub range: Range<usize>,
    /// The passage numbers that the model wrote in or behind it.
    pub hints: Vec<usize>,
}

/// Collects the pieces of a reply.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// What has been written so far, without marks.
    pub text: String,
    /// What may yet turn out to be a mark.
    held: String,
    /// Marks with the place in `text` where each stood.
    marks: Vec<(usize, usize)>,
    done: usize,
    /// How much of `text` has been given out to be shown.
    given: usize,
}

/// Whether a reply says that there is no answer, in the word agreed upon.
pub(crate) fn is_absent(reply: &str) -> bool {
    reply.trim().trim_end_matches('.') == ABSENT
}

/// What the examples of the prompt put before an answer.
const LABEL: &str = "Answer:";
/// Characters that must follow a sentence before its end is believed.
const LOOK_AHEAD: usize = 4;
/// A bracket that has not closed after this many bytes is no mark.
const LONGEST_MARK: usize = 24;

impl Reply {
    /// Takes the next piece and gives what of the text is new.
    pub fn push(&mut self, piece: &str) -> String {
        let mut fresh = String::new();
        for c in piece.chars() {
            if self.held.is_empty() && c != '[' && c != ' ' {
                fresh.push(c);
                continue;
            }
            self.held.push(c);
            if c == ']' {
                let held = std::mem::take(&mut self.held);
                match numbers(held.trim_start()) {
                    Some(numbers) => {
                        let at = self.text.len() + fresh.len();
                        self.marks.extend(numbers.into_iter().map(|number| (at, number)));
                    }
                    None => fresh.push_str(&held),
                }
            } else if !may_become_mark(&self.held) {
                fresh.push_str(&std::mem::take(&mut self.held));
            }
        }
        if self.text.is_empty() {
            fresh = fresh.trim_start().to_owned();
        }
        self.text.push_str(&fresh);
        if self.given == 0
            && let Some(rest) = self.text.strip_prefix(LABEL)
        {
            self.text = rest.trim_start().to_owned();
        }
        self.shown(false)
    }

    /// The text that may be shown and has not been: nothing while it may become a label or a mere [`ABSENT`].
    fn shown(&mut self, end: bool) -> String {
        let open = [ABSENT, LABEL].iter().any(|word| word.starts_with(self.text.as_str()));
        if open && !end || self.given == 0 && is_absent(&self.text) {
            return String::new();
        }
        let fresh = self.text[self.given..].to_owned();
        self.given = self.text.len();
        fresh
    }

    /// What is left to be shown at the end of the reply.
    pub fn rest(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        self.text.push_str(held.trim_end());
        self.shown(true)
    }

    /// The sentences that have been finished since the last call; all of them at the `end` of the reply.
    pub fn finished(&mut self, end: bool) -> Vec<Finished> {
        let rest = &self.text[self.done..];
        let mut ranges = sentences(rest, Wrapping::Lines);
        if !end && let Some(last) = ranges.last() {
            let open = ranges.len() - 1;
            let seen = rest[last.start..].trim_end().chars().count();
            ranges.truncate(if seen >= LOOK_AHEAD { open } else { open.saturating_sub(1) });
        }
        let base = self.done;
        let Some(last) = ranges.last() else { return Vec::new() };
        self.done = base + last.end;
        ranges.into_iter().map(|range| self.finish(base + range.start..base + range.end)).collect()
    }

    fn finish(&self, range: Range<usize>) -> Finished {
        let near = |at: usize| at > range.start && at <= range.end + 2;
        let hints = self.marks.iter().filter(|(at, _)| near(*at)).map(|(_, number)| *number).collect();
        Finished { range, hints }
    }
}

/// Whether more text could make a mark of `held`: blanks, then perhaps a bracket and what stands in one.
fn may_become_mark(held: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || ",-–; ".contains(c);
    match held.trim_start_matches(' ').strip_prefix('[') {
        Some(inside) => held.len() <= LONGEST_MARK && inside.chars().all(inner),
        None => held.bytes().all(|b| b == b' '),
    }
}

/// The numbers of `[2]`, `[1, 3]`, `[Passage 2]`; `None` for any other bracket.
fn numbers(mark: &str) -> Option<Vec<usize>> {
    let inner = mark.trim_matches(['[', ']']).to_lowercase();
    let inner = inner.replace("passages", "").replace("passage", "").replace("source", "").replace("doc", "");
    let numbers: Option<Vec<usize>> = inner
        .split([',', ';', '-', '–', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok().filter(|number| *number < 100))
        .collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str, size: usize) -> (String, Vec<(String, Vec<usize>)>, String) {
        let mut reader = Reply::default();
        let (mut shown, mut found) = (String::new(), Vec::new());
        let characters: Vec<char> = reply.chars().collect();
        for piece in characters.chunks(size) {
            shown += &reader.push(&piece.iter().collect::<String>());
            found.extend(reader.finished(false));
        }
        shown += &reader.rest();
        found.extend(reader.finished(true));
        let text = reader.text.clone();
        let found = found.into_iter().map(|f| (text[f.range].to_owned(), f.hints)).collect();
        (text, found, shown)
    }

    #[test]
    fn the_word_for_no_answer_is_never_shown() {
        for size in 1..5 {
            assert_eq!(read("None.", size).2, "");
            assert_eq!(read("Answer: No", size).2, "No");
            assert_eq!(read("None of them may smoke.", size).2, "None of them may smoke.");
        }
    }

    #[test]
    fn the_pieces_do_not_matter() {
        let reply =
            " The rent is $1,200.50 a month [1]. It is due on May 1 [2, 3]. See [Annex] in [Passage 4]";
        let whole = read(reply, 1000);
        assert_eq!(whole.0, "The rent is $1,200.50 a month. It is due on May 1. See [Annex] in");
        assert_eq!(
            whole.1,
            [
                ("The rent is $1,200.50 a month.".to_owned(), vec![1]),
                ("It is due on May 1.".to_owned(), vec![2, 3]),
                ("See [Annex] in".to_owned(), vec![4]),
            ]
        );
        for size in 1..9 {
            let pieces = read(reply, size);
            assert_eq!(
                pieces.1.iter().map(|f| &f.0).collect::<Vec<_>>(),
                whole.1.iter().map(|f| &f.0).collect::<Vec<_>>()
            );
        }
    }
}
