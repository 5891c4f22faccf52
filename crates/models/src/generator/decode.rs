//! The decode loop: from logits to tokens to what a person reads.

use std::ops::ControlFlow;

use carrel_corpus::{Finish, Generation};

use super::output::Output;
use crate::Error;
use crate::decoder::{Decoder, Lookup, State};
use crate::grammar::Constraint;
use crate::sampling::Sampler;
use crate::tokenizer::{Decoding, Tokenizer};

pub(super) struct Decode<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) speculation: bool,
    /// Tokens to write at most.
    pub(super) most: usize,
}

/// One reply being written.
struct Reply<'a> {
    decode: &'a Decode<'a>,
    sampler: Sampler,
    constraint: Option<Constraint>,
    output: Output<'a>,
    decoding: Decoding,
    text: String,
    tokens: usize,
    finish: Option<Finish>,
    /// What went wrong while choosing.
    failure: Option<Error>,
}

impl Decode<'_> {
    /// Writes a reply after what the state has read. `logits` are those of the last token of the prompt.
    #[expect(clippy::too_many_arguments, reason = "they are the parts of one request, used only here")]
    pub(super) fn run(
        &self,
        state: &mut State,
        logits: Vec<f32>,
        sampler: Sampler,
        constraint: Option<Constraint>,
        stop: &[String],
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
        generation: &mut Generation,
    ) -> Result<(), Error> {
        let thinking = opens_thinking(self.tokenizer, state.tokens());
        let mut reply = Reply {
            decode: self,
            sampler,
            constraint,
            output: Output::new(stop, thinking),
            decoding: Decoding::default(),
            text: String::new(),
            tokens: 0,
            finish: None,
            failure: None,
        };
        let written = self.write(state, &mut reply, logits, sink);
        let finish = reply.finish;
        reply.end(sink);
        generation.output_tokens = reply.tokens;
        generation.finish = finish.unwrap_or(Finish::Length);
        (generation.text, generation.thinking) = reply.output.into_parts();
        written
    }

    fn write(
        &self,
        state: &mut State,
        reply: &mut Reply<'_>,
        logits: Vec<f32>,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if self.most == 0 {
            return Ok(());
        }
        let mut lookup = self.speculation.then(|| Lookup::new(state.tokens()));
        let mut next = reply.take(&logits, sink);
        while let Some(token) = next {
            next = match &mut lookup {
                Some(lookup) => {
                    self.decoder.advance(state, lookup, token, &mut |logits| reply.take(logits, sink))?
                }
                None => reply.take(self.decoder.step(state, token)?, sink),
            };
        }
        reply.failure.take().map_or(Ok(()), Err)
    }
}

impl Reply<'_> {
    /// Chooses a token by its logits and writes what it says. `None` where the reply ends with it.
    fn take(&mut self, logits: &[f32], sink: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Option<u32> {
        let token = match self.choose(logits) {
            Ok(token) => token.filter(|&token| !self.decode.tokenizer.is_stop(token)),
            Err(error) => {
                self.failure = Some(error);
                None
            }
        };
        let Some(token) = token else {
            self.finish = Some(Finish::Stop);
            return None;
        };
        self.tokens += 1;
        self.text.clear();
        match marker(self.decode.tokenizer, token) {
            Some(marker) => self.text.push_str(marker),
            None => self.decoding.push(self.decode.tokenizer, token, &mut self.text),
        }
        self.finish = self.output.push(&self.text, sink);
        let complete = self.constraint.as_ref().is_some_and(Constraint::is_complete);
        if self.finish.is_none() && complete {
            self.finish = Some(Finish::Stop);
        } else if self.finish.is_none() && self.tokens >= self.decode.most {
            self.finish = Some(Finish::Length);
        }
        self.finish.is_none().then_some(token)
    }

    fn choose(&mut self, logits: &[f32]) -> Result<Option<u32>, Error> {
        let Some(constraint) = &mut self.constraint else { return Ok(self.sampler.choose(logits, None)) };
        let allowed = constraint.allowed()?;
        let token = self.sampler.choose(logits, Some(&|token| allowed.is_allowed(token)));
        if let Some(token) = token.filter(|&token| !self.decode.tokenizer.is_stop(token)) {
            constraint.accept(token)?;
        }
        Ok(token)
    }

    /// Writes what was held back.
    fn end(&mut self, sink: &mut dyn FnMut(&str) -> ControlFlow<()>) {
        if self.finish == Some(Finish::Cancelled) {
            return;
        }
        self.text.clear();
        self.decoding.finish(&mut self.text);
        self.output.end(&self.text, sink);
    }
}

pub(super) const OPEN: &str = "<think>";
pub(super) const CLOSE: &str = "</think>";

/// The markers of a thinking model are tokens of their own, and often such as are never shown.
fn marker(tokenizer: &Tokenizer, token: u32) -> Option<&'static str> {
    [OPEN, CLOSE].into_iter().find(|marker| tokenizer.piece(token) == marker.as_bytes())
}

/// Whether the prompt ends inside the model's thinking, as some templates have it.
fn opens_thinking(tokenizer: &Tokenizer, prompt: &[u32]) -> bool {
    let last = prompt.iter().rev().take(4).find_map(|&token| marker(tokenizer, token));
    last == Some(OPEN)
}
