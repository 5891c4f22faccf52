//! One decoder for every family of small language models.
//!
//! What a family is comes from the model's metadata as data ([`Architecture`]); the network, its cache and its
//! kernels are the same for all. Results are the same bits whatever the number of threads, and whether
//! tokens were read one by one, in a batch, or taken from a kept prefix.

use std::path::PathBuf;
use std::sync::Arc;

use crate::Error;
use crate::gguf::{GgmlType, Gguf};
use crate::kernels::Isa;
pub use crate::kernels::cells::CacheType;
use crate::kernels::pool::Pool;

mod architecture;
mod attention;
mod forward;
mod packed_file;
mod rope;
mod snapshot;
mod speculation;
mod state;
mod weights;

pub use architecture::Architecture;
use forward::{BATCH, Wanted};
pub use speculation::Lookup;
use state::Shape;
pub use state::State;
use weights::Weights;

/// How a model is run.
#[derive(Clone, Debug)]
pub struct DecoderOptions {
    /// Threads that compute, the caller among them.
    pub threads: usize,
    /// Positions that a state may hold. It takes no memory until they are used.
    pub context_tokens: usize,
    /// What keys and values are kept as.
    pub cache: CacheType,
    /// Where a packed copy of the weights is kept to be mapped the next time; none to pack at every start.
    pub repack_dir: Option<PathBuf>,
}

/// A loaded model. Any number of [`State`]s share its weights.
pub struct Decoder {
    gguf: Arc<Gguf>,
    architecture: Architecture,
    weights: Weights,
    embedding: (GgmlType, std::ops::Range<usize>),
    options: DecoderOptions,
    pool: Pool,
    isa: Isa,
}

/// Prints the family and the size.
impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = &self.architecture.family;
        f.debug_struct("Decoder").field("family", family).field("isa", &self.isa).finish_non_exhaustive()
    }
}

impl Decoder {
    /// Loads a model.
    ///
    /// # Errors
    /// Errors that name the architecture, setting, tensor or type that is missing or cannot be used.
    pub fn load(gguf: &Arc<Gguf>, options: DecoderOptions) -> Result<Decoder, Error> {
        Decoder::load_with(gguf, options, Isa::detect())
    }

    fn load_with(gguf: &Arc<Gguf>, options: DecoderOptions, isa: Isa) -> Result<Decoder, Error> {
        let architecture = Architecture::read(gguf, options.context_tokens)?;
        let pool = Pool::new(options.threads);
        let weights = Weights::load(gguf, &architecture, &pool, options.repack_dir.as_deref())?;
        let embedding = gguf.require("token_embd.weight")?;
        let embedding = (embedding.ggml_type, embedding.range.clone());
        Ok(Decoder { gguf: Arc::clone(gguf), architecture, weights, embedding, options, pool, isa })
    }

    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Bytes of packed weights, all of which every token reads.
    pub fn weight_bytes(&self) -> u64 {
        self.weights.bytes()
    }

    /// Bytes of keys and values for each position.
    pub fn cache_bytes_per_token(&self) -> usize {
        self.shape().bytes_per_token()
    }

    /// The instructions that the kernels use.
    pub fn kernels(&self) -> String {
        format!("{:?}", self.isa)
    }

    /// Positions that a state may hold.
    pub fn context_tokens(&self) -> usize {
        self.options.context_tokens
    }

    /// A state that has read nothing.
    pub fn new_state(&self) -> State {
        State::new(self.shape())
    }

    /// Reads tokens, and returns the logits that follow the last one.
    ///
    /// # Errors
    /// [`Error::ContextOverflow`] where the state would hold more than it may; it is then as it was.
    pub fn prefill<'a>(&self, state: &'a mut State, tokens: &[u32]) -> Result<&'a [f32], Error> {
        self.read(state, tokens, Wanted::Last)?;
        Ok(&state.buffers.logits)
    }

    /// Reads one token, and returns the logits that follow it.
    ///
    /// # Errors
    /// As [`Decoder::prefill`].
    pub fn step<'a>(&self, state: &'a mut State, token: u32) -> Result<&'a [f32], Error> {
        self.prefill(state, &[token])
    }

    /// Reads a few tokens, and returns the logits that follow each of them, one row of the vocabulary after the
    /// other. Row for row the same bits as [`Decoder::step`] gives.
    ///
    /// # Errors
    /// As [`Decoder::prefill`].
    pub fn verify<'a>(&self, state: &'a mut State, tokens: &[u32]) -> Result<&'a [f32], Error> {
        self.read(state, tokens, Wanted::All)?;
        Ok(&state.buffers.logits)
    }

    /// Reads `token`, and with it what `lookup` guesses will follow, and calls `choose` with the logits of one
    /// position after the other, as a loop over [`Decoder::step`] would do, with the same bits. `choose`
    /// returns the next token, or nothing to stop. What is returned is the last token that was chosen,
    /// which has not been read yet, or nothing when `choose` stopped.
    ///
    /// # Errors
    /// As [`Decoder::prefill`].
    pub fn advance(
        &self,
        state: &mut State,
        lookup: &mut Lookup,
        token: u32,
        choose: &mut dyn FnMut(&[f32]) -> Option<u32>,
    ) -> Result<Option<u32>, Error> {
        lookup.push(token);
        let room = self.options.context_tokens.saturating_sub(state.len() + 1);
        let guess = lookup.guess();
        let mut tokens = vec![token];
        tokens.extend(&guess[..guess.len().min(room)]);
        let (start, vocabulary) = (state.len(), self.architecture.vocabulary);
        self.read(state, &tokens, Wanted::All)?;
        let logits = std::mem::take(&mut state.buffers.logits);
        let mut next = None;
        let mut right = 0;
        for row in logits.chunks_exact(vocabulary) {
            next = choose(row);
            match next {
                Some(token) if tokens.get(right + 1) == Some(&token) => lookup.push(token),
                _ => break,
            }
            right += 1;
        }
        state.buffers.logits = logits;
        state.truncate(start + 1 + right);
        lookup.learn(tokens.len() - 1, right);
        Ok(next)
    }

    fn read(&self, state: &mut State, tokens: &[u32], wanted: Wanted) -> Result<(), Error> {
        let total = state.len() + tokens.len();
        if total > self.options.context_tokens {
            return Err(Error::ContextOverflow { tokens: total, limit: self.options.context_tokens });
        }
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= self.architecture.vocabulary) {
            return Err(Error::Tokenization(format!("the model has no token {token}")));
        }
        assert!(state.shape == self.shape(), "a state belongs to models of its shape");
        if wanted == Wanted::All {
            assert!(tokens.len() <= BATCH, "at most {BATCH} tokens are verified at once");
        }
        let mut batches = tokens.chunks(BATCH).peekable();
        while let Some(batch) = batches.next() {
            let wanted = if batches.peek().is_some() { Wanted::None } else { wanted };
            self.forward(state, batch, wanted);
        }
        Ok(())
    }

    fn shape(&self) -> Shape {
        Shape::of(&self.architecture, self.options.cache)
    }

    /// Type and bytes of a token's embedding.
    fn embedding_row(&self, token: u32) -> (GgmlType, &[u8]) {
        let (kind, range) = (self.embedding.0, self.embedding.1.clone());
        let bytes = range.len() / self.architecture.vocabulary;
        let start = range.start + token as usize * bytes;
        (kind, self.gguf.slice(start..start + bytes))
    }
}

#[cfg(test)]
mod tests;
