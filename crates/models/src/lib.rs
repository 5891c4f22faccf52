//! Weights on disk to running networks.
//!
//! The only crate that names candle, `tokenizers` or a grammar engine. What leaves it are the two seams of
//! `carrel-corpus` ([`Embedder`](carrel_corpus::Embedder), [`Generator`](carrel_corpus::Generator)), a store of
//! model files, and plain numbers.

mod bench;
mod catalogue;
pub mod decoder;
mod digest;
mod embedder;
mod error;
pub mod fit;
mod generator;
pub mod gguf;
mod grammar;
mod kernels;
mod pull;
mod reranker;
mod sampling;
mod store;
mod template;
#[cfg(test)]
mod testing;
mod tokenizer;

pub use bench::{
    BenchOptions, BenchReport, DecodeRate, EmbedReport, FirstToken, PrefillRate, bench, bench_embedder,
};
pub use catalogue::{Entry, Packages, PinnedFile, catalogue};
pub use decoder::CacheType;
pub use digest::Digest;
pub use embedder::LocalEmbedder;
pub use error::Error;
pub use fit::{Fit, fit};
pub use generator::{GeneratorOptions, LocalGenerator};
pub use pull::{Progress, Source};
pub use reranker::LocalReranker;
pub use store::{Embedding, Manifest, ModelKind, Pooling, Store};
