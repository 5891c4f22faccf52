//! The two seams: what the rest of Carrel asks of a neural network, and nothing more.

use std::fmt;
use std::ops::ControlFlow;

/// Why a network could not do what it was asked, in words for a person.
#[derive(Debug)]
pub struct SeamError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SeamError {
    pub fn new(message: impl Into<String>) -> SeamError {
        SeamError { message: message.into(), source: None }
    }

    pub fn caused_by(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> SeamError {
        SeamError { message: message.into(), source: Some(source.into()) }
    }
}

impl fmt::Display for SeamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SeamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Turns text into unit vectors. The same text gives the same vector, whatever it is batched with.
pub trait Embedder: Send + Sync {
    /// Digest of weights and settings: vectors of different ids are never compared.
    fn id(&self) -> &str;
    fn dimensions(&self) -> usize;
    /// Longest text in tokens; what is longer is cut.
    fn max_tokens(&self) -> usize;
    /// Number of tokens of `text`, without the special ones.
    fn count_tokens(&self, text: &str) -> usize;
    /// One vector of [`Embedder::dimensions`] for each text, in their order, of Euclidean length 1.
    fn passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, SeamError>;
    fn query(&self, text: &str) -> Result<Vec<f32>, SeamError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    System,
    User,
    Assistant,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// Never prints the content.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("role", &self.role).field("bytes", &self.content.len()).finish()
    }
}

/// How the next token is chosen. `temperature` 0 is greedy, and then nothing else here matters but the penalty.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    pub temperature: f32,
    /// Keep the `top_k` likeliest; 0 keeps all.
    pub top_k: usize,
    /// Keep the likeliest that together reach this probability; 1 keeps all.
    pub top_p: f32,
    /// Keep those at least this share of the likeliest one's probability; 0 keeps all.
    pub min_p: f32,
    /// Divides the logits of tokens already written; 1 changes nothing.
    pub repeat_penalty: f32,
    pub seed: u64,
}

impl Sampling {
    pub const GREEDY: Sampling =
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repeat_penalty: 1.0, seed: 0 };
}

/// A conversation to be continued by the assistant.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    pub messages: Vec<Message>,
    /// Text that the reply is made to begin with; it is not repeated in the output.
    pub reply_prefix: String,
    pub max_tokens: usize,
    /// Generation ends before any of these appears in the text.
    pub stop: Vec<String>,
    pub sampling: Sampling,
    /// JSON schema (as text) that the output must follow.
    pub json_schema: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its turn, or a stop string appeared.
    Stop,
    /// `max_tokens` or the end of the context.
    Length,
    /// The caller broke off.
    Cancelled,
}

/// What a generation was, once it has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    pub text: String,
    /// What a thinking model wrote before its answer; not part of `text`.
    pub thinking: String,
    pub finish: Finish,
    pub prompt_tokens: usize,
    /// Prompt tokens that were taken from the cache instead of being computed.
    pub cached_tokens: usize,
    pub output_tokens: usize,
    pub prefill_seconds: f64,
    pub decode_seconds: f64,
}

/// Continues a conversation. With [`Sampling::GREEDY`] the same prompt gives the same bytes, whatever the number
/// of threads or the state of the cache.
pub trait Generator: Send + Sync {
    /// Name and digest of the weights, for the audit log.
    fn id(&self) -> &str;
    /// Tokens that prompt and reply may have together.
    fn context_tokens(&self) -> usize;
    /// Number of tokens of `text` as plain text.
    fn count_tokens(&self, text: &str) -> usize;
    /// Calls `sink` with each piece of text as it is written; breaking from it ends the generation.
    fn generate(
        &self,
        prompt: &Prompt,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generation, SeamError>;
    /// Log-likelihoods, in nats, of the tokens of each continuation as the reply to the messages of `prompt`, which is read once.
    fn score(&self, prompt: &Prompt, continuations: &[&str]) -> Result<Vec<Vec<f32>>, SeamError>;
}
