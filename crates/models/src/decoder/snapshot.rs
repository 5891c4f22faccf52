//! States as bytes, so that a prefix that was read once need not be read again after a restart.
//!
//! A snapshot holds the tokens and their keys and values, nothing of positions that were cut off. It is a copy
//! of the text that was read, and is to be kept and erased like that text.

use std::io::{self, Read, Write};

use blake3::Hasher;

use super::state::State;
use super::{CacheType, Decoder, Shape};

/// Format and arithmetic: a snapshot of other kernels would not be the same bits.
const MAGIC: &[u8; 8] = b"CRLKV\x00\x00\x03";
const DIGEST: usize = 32;

/// What a snapshot says of the cache.
fn name(cache: CacheType) -> &'static [u8; 4] {
    match cache {
        CacheType::F16 => b"f16 ",
        CacheType::Q8 => b"q8  ",
    }
}

/// What passes through to or from `inner`, and its digest.
struct Hashed<T> {
    inner: T,
    hash: Hasher,
}

impl Write for Hashed<&mut dyn Write> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Read for Hashed<&mut dyn Read> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }
}

impl State {
    /// Writes the state piece by piece, for [`Decoder::restore`], in the byte order of this machine.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn snapshot(&self, decoder: &Decoder, out: &mut dyn Write) -> io::Result<()> {
        let mut out = Hashed { inner: out, hash: Hasher::new() };
        out.write_all(&decoder.head(self.shape.cache))?;
        out.write_all(&(self.len() as u64).to_le_bytes())?;
        out.write_all(bytemuck::cast_slice(self.tokens()))?;
        self.for_each_run(|run| out.write_all(bytemuck::cast_slice(run)))?;
        out.inner.write_all(out.hash.finalize().as_bytes())
    }
}

impl Decoder {
    /// The state that a snapshot was taken of; `None` where the bytes are damaged, of another model, or of another type
    /// of cache.
    pub fn restore(&self, snapshot: &mut dyn Read) -> Option<State> {
        self.read_snapshot(snapshot).ok()
    }

    fn read_snapshot(&self, snapshot: &mut dyn Read) -> io::Result<State> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let mut input = Hashed { inner: snapshot, hash: Hasher::new() };
        let expected = self.head(self.options.cache);
        let mut head = vec![0; expected.len()];
        input.read_exact(&mut head)?;
        let mut length = [0; 8];
        input.read_exact(&mut length)?;
        let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| damaged())?;
        if head != expected || length > self.context_tokens() {
            return Err(damaged());
        }
        let mut tokens = vec![0u32; length];
        input.read_exact(bytemuck::cast_slice_mut(&mut tokens))?;
        let mut state = self.new_state();
        state.extend(&tokens);
        state.for_each_run_mut(|run| input.read_exact(bytemuck::cast_slice_mut(run)))?;
        let mut digest = [0; DIGEST];
        input.inner.read_exact(&mut digest)?;
        let whole = digest == *input.hash.finalize().as_bytes() && input.inner.read(&mut [0])? == 0;
        whole.then_some(state).ok_or_else(damaged)
    }

    /// What a snapshot begins with: format, type of the cache, and model.
    fn head(&self, cache: CacheType) -> Vec<u8> {
        [MAGIC.as_slice(), name(cache), &self.fingerprint()].concat()
    }

    /// What tells models apart: shape, and a sample of the weights.
    fn fingerprint(&self) -> [u8; DIGEST] {
        let Shape { layers, kv_heads, dimension, cache: _ } = self.shape();
        let mut hash = Hasher::new();
        for number in [layers, kv_heads, dimension, self.options.context_tokens] {
            hash.update(&(number as u64).to_le_bytes());
        }
        hash.update(&self.gguf.file_bytes().to_le_bytes());
        hash.update(self.embedding_row(0).1);
        for layer in &self.weights.layers {
            let bytes = layer.query.bytes();
            hash.update(&bytes[..bytes.len().min(1024)]);
            hash.update(bytemuck::cast_slice::<f32, u8>(&layer.attention_norm));
        }
        hash.finalize().into()
    }
}
