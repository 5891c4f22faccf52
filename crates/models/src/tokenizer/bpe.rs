//! Byte-level BPE, as GPT-2 has it.

use std::collections::HashMap;

use super::merge::{Join, Symbol, merge};
use super::split::Splitter;
use super::{Kind, Vocabulary};
use crate::Error;
use crate::gguf::Gguf;

pub(super) struct Bpe {
    splitter: Splitter,
    /// The token of each single byte.
    single: Vec<Option<u32>>,
    /// Two tokens: the rank of joining them, and what they become.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// Words that are tokens are not put together from parts; for the vocabularies that were made that way.
    whole: Option<HashMap<Vec<u8>, u32>>,
}

impl Bpe {
    /// Also says whether a prompt begins with the model's first token unless the file says otherwise.
    pub(super) fn from_gguf(gguf: &Gguf, vocabulary: &Vocabulary<'_>) -> Result<(Bpe, bool), Error> {
        let rule = gguf.string("tokenizer.ggml.pre");
        let rule = rule.ok_or_else(|| Error::Tokenizer("gpt2 without `tokenizer.ggml.pre`".to_owned()))?;
        let splitter = Splitter::named(rule)?;
        let single = (0..=255).map(|byte| id_of(vocabulary, &[byte])).collect();
        let merges = read_merges(gguf, vocabulary)?;
        let whole = splitter.whole_words.then(|| whole_words(vocabulary));
        let add_bos = splitter.add_bos;
        Ok((Bpe { splitter, single, merges, whole }, add_bos))
    }

    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>) {
        self.splitter.split(text, &mut |word| self.word(word.as_bytes(), tokens));
    }

    fn word(&self, word: &[u8], tokens: &mut Vec<u32>) {
        if let Some(&token) = self.whole.as_ref().and_then(|whole| whole.get(word)) {
            tokens.push(token);
            return;
        }
        let symbol = |(at, &byte): (usize, &u8)| Symbol {
            start: at,
            end: at + 1,
            token: self.single[usize::from(byte)],
        };
        let symbols = word.iter().enumerate().map(symbol).collect();
        let join = |left: &Symbol, right: &Symbol| {
            let &(rank, token) = self.merges.get(&(left.token?, right.token?))?;
            // Ranks are below 2^24, so the conversion is exact.
            Some(Join { priority: -(rank as f32), token })
        };
        merge(symbols, join, |symbol| tokens.extend(symbol.token));
    }
}

/// Of a pair of tokens: the rank of its merge, and the token that it becomes.
type Merges = HashMap<(u32, u32), (u32, u32)>;

fn read_merges(gguf: &Gguf, vocabulary: &Vocabulary<'_>) -> Result<Merges, Error> {
    let key = "tokenizer.ggml.merges";
    let lines = gguf.strings(key)?.ok_or_else(|| Error::MissingKey { key: key.to_owned() })?;
    if lines.len() >= 1 << 24 {
        return Err(Error::BadValue { key: key.to_owned(), reason: "there are too many".to_owned() });
    }
    let mut merges = HashMap::with_capacity(lines.len());
    let mut joined = String::new();
    for (rank, line) in lines.iter().enumerate() {
        // A part may itself begin with a space in odd vocabularies; the first character is never the separator.
        let skip = line.chars().next().map_or(0, char::len_utf8);
        let Some(at) = line[skip..].find(' ').map(|at| at + skip) else { continue };
        let (left, right) = (&line[..at], &line[at + 1..]);
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        let id = |text: &str| vocabulary.ids.get(text).copied();
        if let (Some(left), Some(right), Some(token)) = (id(left), id(right), id(&joined)) {
            merges.entry((left, right)).or_insert((rank as u32, token));
        }
    }
    Ok(merges)
}

fn whole_words(vocabulary: &Vocabulary<'_>) -> HashMap<Vec<u8>, u32> {
    let tokens = vocabulary.texts.iter().zip(&vocabulary.kinds).enumerate();
    tokens
        .filter(|(_, (_, kind))| **kind == Kind::Normal)
        .filter_map(|(id, (text, _))| Some((decode(text)?, id as u32)))
        .collect()
}

fn id_of(vocabulary: &Vocabulary<'_>, bytes: &[u8]) -> Option<u32> {
    let text: String = bytes.iter().map(|&byte| character_of(byte)).collect();
    vocabulary.ids.get(text.as_str()).copied()
}

/// The printable character that stands for a byte in a vocabulary (GPT-2's `bytes_to_unicode`).
pub(super) fn character_of(byte: u8) -> char {
    let code = match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => u32::from(byte),
        0..=0x20 => 0x100 + u32::from(byte),
        0x7f..=0xa0 => 0x121 + u32::from(byte - 0x7f),
        0xad => 0x143,
    };
    char::from_u32(code).unwrap_or('\u{fffd}')
}

fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    let byte = match code {
        0x100..=0x120 => code - 0x100,
        0x121..=0x142 => code - 0x121 + 0x7f,
        0x143 => 0xad,
        _ => code,
    };
    u8::try_from(byte).ok().filter(|&byte| character_of(byte) == character)
}

/// The bytes that a token of the vocabulary stands for; `None` where it is not written in that alphabet.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    text.chars().map(byte_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_character() {
        for byte in 0..=255 {
            assert_eq!(byte_of(character_of(byte)), Some(byte));
        }
        assert_eq!(decode("Ġrent"), Some(b" rent".to_vec()));
        assert_eq!(decode("Ċ"), Some(b"\n".to_vec()));
        assert_eq!(decode("日"), None);
    }
}
