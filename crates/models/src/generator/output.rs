//! What becomes of the text that a model writes: thinking apart, nothing past a stop string.

use std::ops::ControlFlow;

use carrel_corpus::Finish;

use super::decode::{CLOSE, OPEN};

/// Where in its reply the model is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Only white space so far: it may be about to think.
    Beginning,
    Thinking,
    /// After the thinking, before the first character of the answer.
    Between,
    Answer,
}

/// Collects a reply and passes its answer on.
pub(super) struct Output<'a> {
    stop: &'a [String],
    part: Part,
    thinking: String,
    answer: String,
    /// Text not yet known to be answer, thinking or the beginning of a marker or stop string.
    held: String,
    /// Bytes of the answer that were passed on.
    passed: usize,
}

impl<'a> Output<'a> {
    pub(super) fn new(stop: &'a [String], thinking: bool) -> Output<'a> {
        Output {
            stop,
            part: if thinking { Part::Thinking } else { Part::Beginning },
            thinking: String::new(),
            answer: String::new(),
            held: String::new(),
            passed: 0,
        }
    }

    /// Takes a piece of text. `Some` where the reply ends with it.
    pub(super) fn push(
        &mut self,
        text: &str,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Option<Finish> {
        self.held.push_str(text);
        self.sort(false);
        self.pass(false, sink)
    }

    /// Takes the last piece.
    pub(super) fn end(&mut self, text: &str, sink: &mut dyn FnMut(&str) -> ControlFlow<()>) {
        self.held.push_str(text);
        self.sort(true);
        self.pass(true, sink);
    }

    /// Answer and thinking.
    pub(super) fn into_parts(self) -> (String, String) {
        (self.answer, self.thinking.trim().to_owned())
    }

    /// Moves held text to where it belongs, as far as that can be said.
    fn sort(&mut self, last: bool) {
        loop {
            let before = (self.part, self.held.len());
            match self.part {
                Part::Beginning => self.begin(last),
                Part::Thinking => self.think(last),
                Part::Between => {
                    let text = self.held.trim_start().to_owned();
                    self.held = text;
                    if !self.held.is_empty() {
                        self.part = Part::Answer;
                    }
                }
                Part::Answer => self.answer.push_str(&std::mem::take(&mut self.held)),
            }
            if before == (self.part, self.held.len()) {
                return;
            }
        }
    }

    fn begin(&mut self, last: bool) {
        let text = self.held.trim_start();
        if let Some(thought) = text.strip_prefix(OPEN) {
            self.held = thought.to_owned();
            self.part = Part::Thinking;
        } else if last || !OPEN.starts_with(text) {
            self.part = Part::Answer;
        }
    }

    fn think(&mut self, last: bool) {
        if let Some((thought, rest)) = self.held.split_once(CLOSE) {
            self.thinking.push_str(thought);
            self.held = rest.to_owned();
            self.part = Part::Between;
            return;
        }
        let keep = if last { 0 } else { overlap(&self.held, CLOSE) };
        let rest = self.held.split_off(self.held.len() - keep);
        self.thinking.push_str(&std::mem::replace(&mut self.held, rest));
    }

    /// Passes on what of the answer cannot be part of a stop string any more.
    fn pass(&mut self, last: bool, sink: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Option<Finish> {
        let fresh = &self.answer[self.passed..];
        let found =
            self.stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| fresh.find(stop.as_str()));
        let cut = found.min();
        let held = || self.stop.iter().map(|stop| overlap(fresh, stop)).max().unwrap_or(0);
        let length = cut.unwrap_or_else(|| fresh.len() - if last { 0 } else { held() });
        let finish = cut.map(|_| Finish::Stop);
        if cut.is_some() {
            self.answer.truncate(self.passed + length);
        }
        let piece = &self.answer[self.passed..self.passed + length];
        // An empty piece too: it learns whether anybody listens while the model thinks.
        let listening = sink(piece).is_continue();
        self.passed += length;
        if listening { finish } else { finish.or(Some(Finish::Cancelled)) }
    }
}

/// Bytes at the end of `text` that are the beginning of `pattern`, but not all of it.
fn overlap(text: &str, pattern: &str) -> usize {
    let most = text.len().min(pattern.len().saturating_sub(1));
    (1..=most)
        .rev()
        .find(|&bytes| pattern.is_char_boundary(bytes) && text.ends_with(&pattern[..bytes]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the text in pieces of so many characters: what is passed on, the thinking, and how it ended.
    fn written(text: &str, size: usize, stop: &[&str]) -> (String, String, Option<Finish>) {
        let stop: Vec<String> = stop.iter().map(|&stop| stop.to_owned()).collect();
        let mut output = Output::new(&stop, false);
        let mut passed = String::new();
        let mut sink = |piece: &str| {
            passed.push_str(piece);
            ControlFlow::Continue(())
        };
        let characters: Vec<char> = text.chars().collect();
        let mut finish = None;
        for piece in characters.chunks(size) {
            finish = output.push(&piece.iter().collect::<String>(), &mut sink);
            if finish.is_some() {
                break;
            }
        }
        if finish.is_none() {
            output.end("", &mut sink);
        }
        let (answer, thinking) = output.into_parts();
        assert_eq!(answer, passed);
        (passed, thinking, finish)
    }

    #[test]
    fn thinking_is_kept_apart_however_it_arrives() {
        for size in 1..12 {
            let (answer, thinking, _) = written("\n<think>\nIt is < 3.\n</think>\n\nThree.", size, &[]);
            assert_eq!((answer.as_str(), thinking.as_str()), ("Three.", "It is < 3."));
            assert_eq!(written("a <think> tag", size, &[]).0, "a <think> tag");
            assert_eq!(written("<thin", size, &[]).0, "<thin");
        }
    }

    #[test]
    fn nothing_of_a_stop_string_is_passed_on() {
        for size in 1..9 {
            let (answer, _, finish) = written("one\n\nQuestion: two", size, &["\n\nQuestion:", "Frage"]);
            assert_eq!((answer.as_str(), finish), ("one", Some(Finish::Stop)));
            assert_eq!(written("one\n\nQuest", size, &["\n\nQuestion:"]).0, "one\n\nQuest");
            assert_eq!(written("naïve é", size, &["é!"]).0, "naïve é");
        }
    }

    #[test]
    fn a_reader_who_leaves_ends_it() {
        let mut output = Output::new(&[], false);
        assert_eq!(output.push("text", &mut |_| ControlFlow::Break(())), Some(Finish::Cancelled));
    }
}
