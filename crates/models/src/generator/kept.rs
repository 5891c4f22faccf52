//! What was read is not read again: states of earlier requests, in memory and on disk.

use std::path::PathBuf;

use super::saved::Saved;
use crate::decoder::{Decoder, State};
use crate::{Digest, Error};

/// What a state was read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A reply: the conversation may go on, also after a restart.
    Reply,
    /// An opinion on a text, whose beginning alone (what the model was told to do) comes back.
    Opinion,
}

impl Purpose {
    /// States kept in memory. Forks share their pages, so that a common beginning is there once.
    fn most(self) -> usize {
        match self {
            Purpose::Reply => 4,
            Purpose::Opinion => 3,
        }
    }
}

/// Bytes of states that are kept at any rate; more only where one conversation over the whole context is larger.
const MOST_BYTES: usize = 256 << 20;

/// A state that goes on past the common part by no more than this is cut back and used itself.
const TAIL: usize = 64;

/// The states of one model, the last used first.
pub(super) struct Kept {
    states: Vec<(Purpose, State)>,
    saved: Option<Saved>,
    /// What the states may take together, the one in use among them.
    most_bytes: usize,
}

impl Kept {
    pub(super) fn new(directory: Option<PathBuf>, model: &Digest, decoder: &Decoder) -> Kept {
        let saved = directory.map(|directory| Saved::open(directory, model));
        let conversation = decoder.context_tokens() * decoder.cache_bytes_per_token();
        Kept { states: Vec::new(), saved, most_bytes: conversation.max(MOST_BYTES) }
    }

    /// A state that has read as much of the beginning of `tokens` as is known, and nothing else. At least the last
    /// token is always left to read, since its logits are what is wanted. States that leave no room for the rest are
    /// let go, those last used the last.
    pub(super) fn take(&mut self, decoder: &Decoder, tokens: &[u32]) -> State {
        let state = self.take_longest(decoder, tokens);
        let mut bytes = tokens.len() * decoder.cache_bytes_per_token();
        self.states.retain(|(_, state)| {
            bytes += state.cache_bytes();
            bytes <= self.most_bytes
        });
        state
    }

    fn take_longest(&mut self, decoder: &Decoder, tokens: &[u32]) -> State {
        let most = tokens.len().saturating_sub(1);
        let common = |state: &State| state.common_prefix(&tokens[..most]);
        let best =
            (0..self.states.len()).max_by_key(|&index| (common(&self.states[index].1), usize::MAX - index));
        let length = best.map_or(0, |index| common(&self.states[index].1));
        if let (Some(best), Some(saved)) = (best, &mut self.saved)
            && saved.lacks(&tokens[..length])
        {
            // What two requests begin with, a third will begin with, maybe after a restart.
            let mut beginning = self.states[best].1.fork();
            beginning.truncate(length);
            saved.store(decoder, &beginning);
        }
        if let Some(saved) =
            self.saved.as_mut().and_then(|saved| saved.load(decoder, &tokens[..most], length))
        {
            return saved;
        }
        match best {
            Some(index) if length > 0 => {
                let goes_on = self.states[index].1.len() - length > TAIL;
                let mut state = match goes_on {
                    true => self.states[index].1.fork(),
                    false => self.states.remove(index).1,
                };
                state.truncate(length);
                state
            }
            _ => decoder.new_state(),
        }
    }

    /// Keeps a state for later requests.
    pub(super) fn put(&mut self, decoder: &Decoder, state: State, purpose: Purpose) {
        if state.is_empty() {
            return;
        }
        if let (Some(saved), Purpose::Reply) = (&mut self.saved, purpose) {
            saved.store(decoder, &state);
        }
        // One that is the beginning of this one has nothing more to give.
        self.states.retain(|(_, other)| other.common_prefix(state.tokens()) < other.len());
        self.states.insert(0, (purpose, state));
        let mut alike = 0;
        self.states.retain(|(other, _)| {
            alike += usize::from(*other == purpose);
            *other != purpose || alike <= purpose.most()
        });
    }

    /// Forgets everything, in memory and on disk.
    pub(super) fn erase(&mut self) -> Result<(), Error> {
        self.states.clear();
        self.saved.as_mut().map_or(Ok(()), Saved::erase)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decoder::{CacheType, DecoderOptions};
    use crate::gguf::Gguf;
    use crate::testing::data;

    #[test]
    fn old_states_make_room_for_new_ones() {
        let gguf = Arc::new(Gguf::from_bytes(data("models/llama.gguf")).unwrap());
        let options =
            DecoderOptions { threads: 1, context_tokens: 512, cache: CacheType::F16, repack_dir: None };
        let decoder = Decoder::load(&gguf, options).unwrap();
        let mut kept = Kept::new(None, &Digest::of(b""), &decoder);
        kept.most_bytes = 500 * decoder.cache_bytes_per_token();
        let read = |kept: &mut Kept, tokens: &[u32]| {
            let mut state = kept.take(&decoder, tokens);
            let known = state.len();
            decoder.prefill(&mut state, &tokens[known..]).unwrap();
            kept.put(&decoder, state, Purpose::Reply);
            known
        };
        assert_eq!(read(&mut kept, &[1; 200]), 0);
        assert_eq!(read(&mut kept, &[2; 200]), 0);
        assert_eq!(kept.states.len(), 2);
        assert_eq!(read(&mut kept, &[3; 200]), 0);
        assert_eq!(kept.states.len(), 2, "the first was let go");
        assert_eq!(read(&mut kept, &[2; 210]), 200);
        assert_eq!(read(&mut kept, &[1; 400]), 0);
        assert_eq!(kept.states.len(), 1);
    }
}
