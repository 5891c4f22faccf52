//! How well a passage answers a question, by a network that reads both at once (a cross-encoder).

use carrel_corpus::SeamError;
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use crate::embedder::network::{Input, Judge, Network};
use crate::embedder::{batch_len, load_tokenizer};
use crate::store::ModelKind;
use crate::{Error, Store};

/// A cross-encoder of the store: BERT or RoBERTa with one class.
pub struct LocalReranker {
    tokenizer: Tokenizer,
    network: Network,
    judge: Judge,
}

impl LocalReranker {
    /// Loads a model of the store.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], [`Error::WrongKind`], or what is wrong with its files.
    pub fn load(store: &Store, name: &str, threads: usize) -> Result<LocalReranker, Error> {
        let manifest = store.get(name)?;
        if manifest.kind != ModelKind::Reranker {
            return Err(Error::WrongKind {
                name: name.to_owned(),
                found: manifest.kind.name(),
                wanted: ModelKind::Reranker.name(),
            });
        }
        let (config, weights) = (store.file(&manifest, "config")?, store.file(&manifest, "weights")?);
        let network = Network::load(&config, &weights, threads)?;
        let mut tokenizer = load_tokenizer(&store.file(&manifest, "tokenizer")?)?;
        // Of a pair that is too long, the passage is cut.
        let truncation = TruncationParams {
            max_length: network.max_tokens(),
            strategy: TruncationStrategy::OnlySecond,
            stride: 0,
            direction: TruncationDirection::Right,
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|error| Error::Tokenization(error.to_string()))?;
        let judge = Judge::load(&weights, network.dimensions())?;
        Ok(LocalReranker { tokenizer, network, judge })
    }

    /// How well each passage answers the question, as logits in the order of the passages. The logit of a passage does
    /// not depend on the others.
    ///
    /// # Errors
    /// Fails when a text has no tokens that the network knows, or the question alone is longer than it can read.
    pub fn scores(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, SeamError> {
        self.judge_all(question, passages)
            .map_err(|error| SeamError::caused_by("could not judge the passages", error))
    }

    fn judge_all(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, Error> {
        let mut pairs = Vec::with_capacity(passages.len());
        for (index, &passage) in passages.iter().enumerate() {
            let encoded = self.tokenizer.encode((question, passage), true);
            let encoded = encoded.map_err(|error| Error::Tokenization(error.to_string()))?;
            let second = encoded.get_type_ids().iter().position(|&kind| kind > 0);
            let tokens = encoded.get_ids().to_vec();
            let second = second.unwrap_or(tokens.len());
            pairs.push((index, tokens, second));
        }
        pairs.sort_by_key(|(index, tokens, _)| (tokens.len(), *index));
        let mut logits = vec![0.0; passages.len()];
        let mut rest = pairs.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_len(rest.iter().map(|(_, tokens, _)| tokens.len())));
            let inputs: Vec<Input> =
                batch.iter().map(|(_, tokens, second)| Input { tokens, second: *second }).collect();
            self.network.forward(&inputs, &mut |at, rows| logits[batch[at].0] = self.judge.logit(rows))?;
            rest = after;
        }
        Ok(logits)
    }
}

#[cfg(test)]
mod tests;
