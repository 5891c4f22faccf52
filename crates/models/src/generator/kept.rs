//! What was read is not read again: states of earlier requests, in memory and on disk.

use std::path::PathBuf;

use super::saved::Saved;
use crate::decoder::{Decoder, State};
use crate::{Digest, Error};

/// States kept in memory. Forks share their pages, so that a common beginning is there once.
const MOST: usize = 4;

/// A state that goes on past the common part by no more than this is cut back and used itself.
const TAIL: usize = 64;

/// The states of one model, the last used first.
pub(super) struct Kept {
    states: Vec<State>,
    saved: Option<Saved>,
}

impl Kept {
    pub(super) fn new(directory: Option<PathBuf>, model: &Digest) -> Kept {
        Kept { states: Vec::new(), saved: directory.map(|directory| Saved::open(directory, model)) }
    }

    /// A state that has read as much of the beginning of `tokens` as is known, and nothing else. At least the last
    /// token is always left to read, since its logits are what is wanted.
    pub(super) fn take(&mut self, decoder: &Decoder, tokens: &[u32]) -> State {
        let most = tokens.len().saturating_sub(1);
        let common = |state: &State| state.common_prefix(&tokens[..most]);
        let best =
            (0..self.states.len()).max_by_key(|&index| (common(&self.states[index]), usize::MAX - index));
        let length = best.map_or(0, |index| common(&self.states[index]));
        if let Some(saved) =
            self.saved.as_mut().and_then(|saved| saved.load(decoder, &tokens[..most], length))
        {
            return saved;
        }
        match best {
            Some(index) if length > 0 => {
                let goes_on = self.states[index].len() - length > TAIL;
                let mut state = match goes_on {
                    true => self.states[index].fork(),
                    false => self.states.remove(index),
                };
                state.truncate(length);
                state
            }
            _ => decoder.new_state(),
        }
    }

    /// Keeps a state for later requests.
    pub(super) fn put(&mut self, decoder: &Decoder, state: State) {
        if state.is_empty() {
            return;
        }
        if let Some(saved) = &mut self.saved {
            saved.store(decoder, &state);
        }
        // One that is the beginning of this one has nothing more to give.
        self.states.retain(|other| other.common_prefix(state.tokens()) < other.len());
        self.states.insert(0, state);
        self.states.truncate(MOST);
    }

    /// Forgets everything, in memory and on disk.
    pub(super) fn erase(&mut self) -> Result<(), Error> {
        self.states.clear();
        self.saved.as_mut().map_or(Ok(()), Saved::erase)
    }
}
