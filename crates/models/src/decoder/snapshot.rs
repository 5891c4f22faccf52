//! States as bytes, so that a prefix that was read once need not be read again after a restart.
//!
//! A snapshot holds the tokens and their keys and values, nothing of positions that were cut off. It is a copy
//! of the text that was read, and is to be kept and erased like that text.

use sha2::{Digest, Sha256};

use super::state::State;
use super::{Decoder, Shape};

/// Format and arithmetic: a snapshot of other kernels would not be the same bits.
const MAGIC: &[u8; 8] = b"CRLKV\x00\x00\x01";
const DIGEST: usize = 32;

impl State {
    /// The state as bytes, for [`Decoder::restore`].
    pub fn snapshot(&self, decoder: &Decoder) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(decoder.fingerprint());
        bytes.extend((self.len() as u64).to_le_bytes());
        bytes.extend(self.tokens().iter().flat_map(|token| token.to_le_bytes()));
        self.for_each_run(|run| bytes.extend(run.iter().flat_map(|half| half.to_le_bytes())));
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        bytes
    }
}

impl Decoder {
    /// The state that a snapshot was taken of; `None` where the bytes are damaged, or of another model.
    pub fn restore(&self, bytes: &[u8]) -> Option<State> {
        let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
        if Sha256::digest(body)[..] != *digest {
            return None;
        }
        let body = body.strip_prefix(MAGIC)?.strip_prefix(&self.fingerprint())?;
        let (length, body) = body.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        if length > self.context_tokens() {
            return None;
        }
        let (tokens, mut body) = body.split_at_checked(length.checked_mul(4)?)?;
        let tokens: Vec<u32> = tokens
            .chunks_exact(4)
            .map(|token| u32::from_le_bytes([token[0], token[1], token[2], token[3]]))
            .collect();
        let mut state = self.new_state();
        state.extend(&tokens);
        let mut whole = true;
        state.for_each_run_mut(|run| {
            let Some((from, rest)) = body.split_at_checked(run.len() * 2) else {
                whole = false;
                return;
            };
            for (to, from) in run.iter_mut().zip(from.chunks_exact(2)) {
                *to = u16::from_le_bytes([from[0], from[1]]);
            }
            body = rest;
        });
        (whole && body.is_empty()).then_some(state)
    }

    /// What tells models apart: shape, and a sample of the weights.
    fn fingerprint(&self) -> [u8; DIGEST] {
        let Shape { layers, kv_heads, dimension } = self.shape();
        let mut hash = Sha256::new();
        for number in [layers, kv_heads, dimension, self.options.context_tokens] {
            hash.update((number as u64).to_le_bytes());
        }
        hash.update(self.gguf.file_bytes().to_le_bytes());
        hash.update(self.embedding_row(0).1);
        for layer in &self.weights.layers {
            let bytes = layer.query.bytes();
            hash.update(&bytes[..bytes.len().min(1024)]);
            hash.update(bytemuck::cast_slice::<f32, u8>(&layer.attention_norm));
        }
        hash.finalize().into()
    }
}
