//! Text to unit vectors, by a BERT-family network.
//!
//! Texts go through the network one behind the other, without padding, and every row is computed as if it were
//! alone: a text's vector cannot depend on what it was batched with.

use std::path::Path;

use carrel_corpus::{Embedder, SeamError};
use tokenizers::Tokenizer;

use crate::store::{Embedding, ModelKind, Pooling};
use crate::{Digest, Error, Manifest, Store};

pub(crate) mod network;

use network::{Input, Network};

/// Changes whenever the same weights would give other vectors, so that old ones are not compared with new ones.
const REVISION: &str = "q8-1";

/// Tokens that go through the network together: enough to use each weight often, few enough to stay in the cache.
const BATCH_TOKENS: usize = 256;

/// An embedder of the store, ready to use.
pub struct LocalEmbedder {
    id: String,
    settings: Embedding,
    tokenizer: Tokenizer,
    /// The special tokens around a text.
    around: [u32; 2],
    network: Network,
}

impl LocalEmbedder {
    /// Loads a model of the store; its weights are mapped, not read.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], [`Error::WrongKind`], or what is wrong with its files.
    pub fn load(store: &Store, name: &str, threads: usize) -> Result<LocalEmbedder, Error> {
        let manifest = store.get(name)?;
        let settings = match (&manifest.embedding, manifest.kind) {
            (Some(settings), ModelKind::Embedder) => settings.clone(),
            _ => {
                return Err(Error::WrongKind {
                    name: name.to_owned(),
                    found: manifest.kind.name(),
                    wanted: "embedder",
                });
            }
        };
        let tokenizer = load_tokenizer(&store.file(&manifest, "tokenizer")?)?;
        let around = special_tokens(&tokenizer)?;
        let (config, weights) = (store.file(&manifest, "config")?, store.file(&manifest, "weights")?);
        let network = Network::load(&config, &weights, threads)?;
        let settings = Embedding { max_tokens: settings.max_tokens.min(network.max_tokens()), ..settings };
        let id = identify(&manifest, &settings);
        Ok(LocalEmbedder { id, settings, tokenizer, around, network })
    }

    /// Number of tokens that the network sees for these texts, the special ones included.
    pub fn network_tokens(&self, texts: &[&str]) -> usize {
        texts.iter().map(|text| self.tokens(&self.settings.passage_prefix, text).len()).sum()
    }

    /// The input of the network: what is too long is cut, the special tokens stay.
    fn tokens(&self, prefix: &str, text: &str) -> Vec<u32> {
        let room = self.settings.max_tokens.saturating_sub(2);
        let text = &text[..text.floor_char_boundary(room.saturating_mul(LONGEST_TOKEN))];
        let encoded = match prefix {
            "" => self.tokenizer.encode_fast(text, false),
            prefix => self.tokenizer.encode_fast(format!("{prefix}{text}"), false),
        };
        let mut tokens = vec![self.around[0]];
        if let Ok(encoding) = &encoded {
            tokens.extend(encoding.get_ids().iter().take(room));
        }
        tokens.push(self.around[1]);
        tokens
    }

    /// Vectors in the order of the texts. They go through the network in the order of their lengths, so that those
    /// of a batch are alike.
    fn embed(&self, prefix: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, SeamError> {
        let mut inputs: Vec<(usize, Vec<u32>)> =
            texts.iter().enumerate().map(|(index, text)| (index, self.tokens(prefix, text))).collect();
        inputs.sort_by_key(|(index, tokens)| (tokens.len(), *index));
        let mut vectors = vec![Vec::new(); texts.len()];
        let mut rest = inputs.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_len(rest.iter().map(|(_, tokens)| tokens.len())));
            let tokens: Vec<Input> =
                batch.iter().map(|(_, tokens)| Input { tokens, second: tokens.len() }).collect();
            let width = self.network.dimensions();
            let done = self.network.forward(&tokens, &mut |index, rows| {
                vectors[batch[index].0] = pool_rows(rows, width, self.settings.pooling);
            });
            done.map_err(|error| SeamError::caused_by("could not embed the text", error))?;
            rest = after;
        }
        Ok(vectors)
    }
}

/// How many of the next texts make a batch; at least one.
pub(crate) fn batch_len(lengths: impl Iterator<Item = usize>) -> usize {
    let mut total = 0;
    let fitting = lengths.take_while(|tokens| {
        total += tokens;
        total <= BATCH_TOKENS
    });
    fitting.count().max(1)
}

/// No token stands for more bytes of text than this on average over a whole input: white space and control
/// characters may vanish, but a text that is nothing else has no meaning to lose.
const LONGEST_TOKEN: usize = 64;

/// Loads a tokenizer that neither cuts nor pads.
pub(crate) fn load_tokenizer(path: &Path) -> Result<Tokenizer, Error> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let mut tokenizer =
        Tokenizer::from_bytes(bytes).map_err(|error| Error::Tokenization(error.to_string()))?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| Error::Tokenization(error.to_string()))?;
    Ok(tokenizer)
}

/// The tokens that stand before and after a text: what an empty text becomes.
fn special_tokens(tokenizer: &Tokenizer) -> Result<[u32; 2], Error> {
    let empty = tokenizer.encode("", true).map_err(|error| Error::Tokenization(error.to_string()))?;
    empty
        .get_ids()
        .try_into()
        .map_err(|_| Error::Tokenization("a text is not put between two special tokens".to_owned()))
}

/// One vector of length 1 from the rows of all tokens.
fn pool_rows(hidden: &[f32], width: usize, pooling: Pooling) -> Vec<f32> {
    let mut vector = match pooling {
        Pooling::Cls => hidden[..width].to_vec(),
        Pooling::Mean => {
            let mut sum = vec![0f32; width];
            for row in hidden.chunks_exact(width) {
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            sum
        }
    };
    let length = vector.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
    let scale = if length > 0.0 { (1.0 / length) as f32 } else { 0.0 };
    vector.iter_mut().for_each(|value| *value *= scale);
    vector
}

/// Name and digest of all that a vector depends on.
fn identify(manifest: &Manifest, settings: &Embedding) -> String {
    let mut parts: Vec<String> =
        manifest.files.iter().map(|(role, digest, _)| format!("{role} {digest}")).collect();
    parts.sort();
    let all = format!("{REVISION} {settings:?} {}", parts.join(" "));
    format!("{}@{}", manifest.name, &Digest::of(all.as_bytes()).to_string()[..16])
}

impl Embedder for LocalEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn dimensions(&self) -> usize {
        self.network.dimensions()
    }

    fn max_tokens(&self) -> usize {
        self.settings.max_tokens
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.encode_fast(text, false).map_or(0, |encoding| encoding.len())
    }

    fn passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, SeamError> {
        self.embed(&self.settings.passage_prefix, texts)
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, SeamError> {
        let mut vectors = self.embed(&self.settings.query_prefix, &[text])?;
        vectors.pop().ok_or_else(|| SeamError::new("could not embed the text"))
    }
}

#[cfg(test)]
mod tests;
