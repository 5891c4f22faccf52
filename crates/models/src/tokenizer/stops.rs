//! Which tokens end a turn.

use super::Vocabulary;
use crate::gguf::Gguf;

/// Names of tokens that end a turn or a text in some family; no model uses one of them for anything else.
pub(super) const END_OF_TURN: [&str; 14] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
    "</s>",
    // Qwen's next file or repository: the reply is over.
    "<|file_sep|>",
    "<|repo_name|>",
    "<|fim_pad|>",
];

/// The tokens that the file names as ends of a turn, a message or a text, and those that are one by their name.
pub(super) fn stop_tokens(gguf: &Gguf, vocabulary: &Vocabulary<'_>, eos: Option<u32>) -> Vec<u32> {
    let keys = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
    let mut stops: Vec<u32> = keys.iter().filter_map(|key| gguf.u32(key)).chain(eos).collect();
    stops.extend(END_OF_TURN.iter().filter_map(|name| vocabulary.ids.get(name).copied()));
    stops.retain(|&token| (token as usize) < vocabulary.texts.len());
    stops.sort_unstable();
    stops.dedup();
    stops
}
