//! From passages to an answer that can be trusted.
//!
//! Small models write fluent sentences that may be false. So what the model is given is chosen and fenced
//! ([`answer`]), what it writes is taken apart sentence by sentence, and each sentence gets the exact words of a
//! document that say it, or a mark that nothing does. Everything here is a pure function around one
//! [`Generator`](carrel_corpus::Generator) and one [`Embedder`](carrel_corpus::Embedder): the same inputs give the same bytes.

mod align;
mod answer;
mod answerable;
mod calculate;
pub mod calibration;
mod conversation;
mod evidence;
mod facts;
mod grounds;
mod hostile;
mod language;
mod nearness;
mod notes;
mod pack;
mod planted;
mod polar;
mod prompt;
#[cfg(test)]
mod seams;
mod setting;
mod stream;
mod support;
pub mod tasks;
mod text;
mod versions;
mod whole;
mod words;

use std::fmt;

use carrel_corpus::SeamError;

pub use answer::{AnswerRequest, Event, Holdings, Stats, answer};
pub use conversation::{changes_topic, leans_on_history, standalone_question};
pub use grounds::Grounds;
pub use setting::{Setting, as_question, asks_for_its_day, setting, without_manner};

/// One question of a conversation and what was answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    pub question: String,
    pub answer: String,
}

/// Never prints the texts.
impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("question_bytes", &self.question.len()).finish()
    }
}

/// Limits of an answer. The defaults suit a model of 0.5 to 2 billion parameters on two CPU cores.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerConfig {
    /// Tokens that all passages of a prompt may have together.
    pub passage_tokens: usize,
    /// Passages in a prompt.
    pub passages: usize,
    /// Passages of one document in a prompt.
    pub per_document: usize,
    /// Tokens of an answer.
    pub answer_tokens: usize,
    /// Tokens of earlier turns in a prompt.
    pub history_tokens: usize,
    /// Probability of holding the answer below which the passages are not even given to the model.
    pub refuse_below: f32,
    /// An unsupported sentence that shares less than this with the question is left out of the answer.
    pub stray_below: f32,
}

impl Default for AnswerConfig {
    fn default() -> AnswerConfig {
        AnswerConfig {
            passage_tokens: 1_200,
            passages: 6,
            per_document: 3,
            answer_tokens: 160,
            history_tokens: 200,
            refuse_below: 0.25,
            stray_below: 0.15,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The generator or the embedder could not do what it was asked.
    #[error("the model could not answer")]
    Model(#[from] SeamError),
    /// A table's schema describes no object with properties.
    #[error("the schema must be a JSON schema of an object with properties")]
    Schema,
}
