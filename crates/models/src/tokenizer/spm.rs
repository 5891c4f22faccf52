//! SentencePiece vocabularies: pieces with scores, and bytes for what has no piece.

use std::collections::HashMap;

use super::merge::{Join, Symbol, merge};
use super::{Kind, Vocabulary};
use crate::Error;
use crate::gguf::Gguf;

/// What stands for a space in a vocabulary.
pub(super) const SPACE: &str = "\u{2581}";

pub(super) struct Spm {
    pieces: HashMap<Box<str>, u32>,
    scores: Vec<f32>,
    /// The token of each byte.
    single: Vec<Option<u32>>,
    /// A text that begins a prompt or follows a control token gets a space before it.
    space_prefix: bool,
}

impl Spm {
    pub(super) fn from_gguf(gguf: &Gguf, vocabulary: &Vocabulary<'_>) -> Result<Spm, Error> {
        let key = "tokenizer.ggml.scores";
        let scores = gguf.f32s(key).ok_or_else(|| Error::MissingKey { key: key.to_owned() })?;
        if scores.len() < vocabulary.texts.len() {
            return Err(Error::BadValue { key: key.to_owned(), reason: "there are too few".to_owned() });
        }
        let mut single = vec![None; 256];
        for (id, (text, kind)) in vocabulary.texts.iter().zip(&vocabulary.kinds).enumerate() {
            if let (Kind::Byte, Some(byte)) = (kind, byte_of(text)) {
                single[usize::from(byte)] = Some(id as u32);
            }
        }
        for (byte, token) in single.iter_mut().enumerate() {
            let text = (byte as u8 as char).to_string();
            *token = token.or_else(|| vocabulary.ids.get(text.as_str()).copied().filter(|_| byte < 128));
        }
        Ok(Spm {
            pieces: vocabulary.ids.iter().map(|(text, id)| (Box::from(*text), *id)).collect(),
            scores,
            single,
            space_prefix: gguf.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true),
        })
    }

    pub(super) fn encode(&self, text: &str, after_special: bool, tokens: &mut Vec<u32>) {
        let mut escaped = String::with_capacity(text.len() + 16);
        if self.space_prefix && after_special {
            escaped.push_str(SPACE);
        }
        for (index, part) in text.split(' ').enumerate() {
            if index > 0 {
                escaped.push_str(SPACE);
            }
            escaped.push_str(part);
        }
        let text = escaped.as_str();
        let piece = |start: usize, end: usize| self.pieces.get(&text[start..end]).copied();
        let symbol = |(start, character): (usize, char)| {
            let end = start + character.len_utf8();
            Symbol { start, end, token: piece(start, end) }
        };
        let join = |left: &Symbol, right: &Symbol| {
            let token = piece(left.start, right.end)?;
            Some(Join { priority: self.scores[token as usize], token })
        };
        merge(text.char_indices().map(symbol).collect(), join, |symbol| match symbol.token {
            Some(token) => tokens.push(token),
            None => {
                let bytes = &text.as_bytes()[symbol.start..symbol.end];
                tokens.extend(bytes.iter().filter_map(|&byte| self.single[usize::from(byte)]));
            }
        });
    }
}

/// The byte that a token such as `<0x0A>` stands for.
pub(super) fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}
