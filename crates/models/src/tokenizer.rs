//! Text to tokens and back, by what the model file itself says.
//!
//! Byte-level BPE (`gpt2` in GGUF's terms) and SentencePiece (`llama`). Everything follows llama.cpp's
//! `llama-vocab.cpp`, whose ids are the golden ones. A splitting rule that is not known here is an error:
//! splitting by another model's rule gives ids that look right and are not.

use std::collections::HashMap;

use crate::Error;
use crate::gguf::Gguf;

mod bpe;
mod merge;
mod split;
mod spm;
mod stops;
mod stream;

pub(crate) use stream::Decoding;

use bpe::Bpe;
use spm::Spm;

/// What kind of token it is (`tokenizer.ggml.token_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    fn from_id(id: u32) -> Kind {
        match id {
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            _ => Kind::Normal,
        }
    }
}

/// Whether the names of control tokens in a text stand for these tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parse {
    /// They are text like any other.
    Plain,
    /// They become the tokens. Only for text that is not from outside.
    Special,
}

/// A token that is found in text by its name, before the rest is split.
#[derive(Debug)]
struct Named {
    text: String,
    id: u32,
    /// Found only when parsing special tokens.
    control: bool,
    /// White space after it is swallowed.
    strips_right: bool,
}

enum Model {
    Bpe(Bpe),
    Spm(Spm),
}

/// The tokenizer of one model.
pub(crate) struct Tokenizer {
    model: Model,
    named: Vec<Named>,
    /// What each token stands for, one after the other, and where each begins.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    kinds: Vec<Kind>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    #[cfg(test)]
    add_eos: bool,
    stops: Vec<u32>,
}

impl Tokenizer {
    /// # Errors
    /// [`Error::Tokenizer`] with the name of a model or splitting rule that is not known,
    /// [`Error::MissingKey`] and [`Error::BadValue`] where the vocabulary is incomplete.
    pub(crate) fn from_gguf(gguf: &Gguf) -> Result<Tokenizer, Error> {
        let vocabulary = Vocabulary::read(gguf)?;
        let (model, add_bos) = match gguf.require_string("tokenizer.ggml.model")? {
            "gpt2" => {
                let (bpe, add_bos) = Bpe::from_gguf(gguf, &vocabulary)?;
                (Model::Bpe(bpe), add_bos)
            }
            "llama" => (Model::Spm(Spm::from_gguf(gguf, &vocabulary)?), true),
            other => return Err(Error::Tokenizer(other.to_owned())),
        };
        let (bytes, starts) = pieces(&model, &vocabulary);
        let special = |name: &str| {
            let id = gguf.u32(&format!("tokenizer.ggml.{name}_token_id"))?;
            (id as usize).lt(&vocabulary.texts.len()).then_some(id)
        };
        // A vocabulary without these keys is Llama's, where they are 1 and 2.
        let default = |id: u32| matches!(model, Model::Spm(_)).then_some(id);
        let eos = special("eos").or(default(2));
        Ok(Tokenizer {
            named: named_tokens(gguf, &vocabulary),
            bytes,
            starts,
            bos: special("bos").or(default(1)),
            eos,
            add_bos: gguf.bool("tokenizer.ggml.add_bos_token").unwrap_or(add_bos),
            #[cfg(test)]
            add_eos: gguf.bool("tokenizer.ggml.add_eos_token").unwrap_or(false),
            stops: stops::stop_tokens(gguf, &vocabulary, eos),
            kinds: vocabulary.kinds,
            model,
        })
    }

    /// Number of tokens in the vocabulary.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(crate) fn bos(&self) -> Option<u32> {
        self.bos
    }

    pub(crate) fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The token that a prompt begins with, if this model wants one.
    pub(crate) fn leading(&self) -> Option<u32> {
        self.bos.filter(|_| self.add_bos)
    }

    /// Whether the model ends its turn with this token.
    pub(crate) fn is_stop(&self, token: u32) -> bool {
        self.stops.binary_search(&token).is_ok()
    }

    /// The tokens that end a turn, sorted.
    pub(crate) fn stops(&self) -> &[u32] {
        &self.stops
    }

    /// The bytes that a token stands for. Not always whole characters. Control tokens give their names.
    pub(crate) fn piece(&self, token: u32) -> &[u8] {
        let token = token as usize;
        match (self.starts.get(token), self.starts.get(token + 1)) {
            (Some(&start), Some(&end)) => &self.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    /// Whether a token is never part of the text that a person reads.
    pub(crate) fn is_control(&self, token: u32) -> bool {
        matches!(self.kinds.get(token as usize), Some(Kind::Control | Kind::Unknown | Kind::Unused) | None)
    }

    /// The id of a token with this name.
    pub(crate) fn named(&self, text: &str) -> Option<u32> {
        self.named.iter().find(|named| named.text == text).map(|named| named.id)
    }

    /// Names of all tokens that text from outside must not be able to write: those that control the model, and those
    /// that a chat template makes its syntax of.
    pub(crate) fn syntax(&self, template: &str) -> Vec<&str> {
        let is_syntax = |named: &&Named| named.control || template.contains(&named.text);
        self.named.iter().filter(is_syntax).map(|named| named.text.as_str()).collect()
    }

    /// The tokens of a text, with those before and after it that the model wants.
    #[cfg(test)]
    pub(crate) fn encode_whole(&self, text: &str, parse: Parse) -> Vec<u32> {
        let mut tokens: Vec<u32> = self.leading().into_iter().collect();
        self.encode_into(text, parse, None, &mut tokens);
        tokens.extend(self.eos.filter(|_| self.add_eos));
        tokens
    }

    /// The tokens of a text.
    pub(crate) fn encode(&self, text: &str, parse: Parse) -> Vec<u32> {
        let mut tokens = Vec::new();
        self.encode_into(text, parse, None, &mut tokens);
        tokens
    }

    /// The tokens of a text from which one character is left out wherever it stands, after the names of tokens have
    /// been looked for: put into a name, it keeps the name from being found.
    pub(crate) fn encode_without(&self, text: &str, left_out: char) -> Vec<u32> {
        let mut tokens = Vec::new();
        self.encode_into(text, Parse::Special, Some(left_out), &mut tokens);
        tokens
    }

    fn encode_into(&self, text: &str, parse: Parse, left_out: Option<char>, tokens: &mut Vec<u32>) {
        let mut after_special = true;
        for fragment in self.partition(text, parse) {
            match fragment {
                Fragment::Token(token) => {
                    tokens.push(token);
                    after_special = true;
                }
                Fragment::Text(text) => {
                    let cleaned = left_out.map(|left_out| text.replace(left_out, ""));
                    let text = cleaned.as_deref().unwrap_or(text);
                    match &self.model {
                        Model::Bpe(bpe) => bpe.encode(text, tokens),
                        Model::Spm(spm) => spm.encode(text, after_special, tokens),
                    }
                    after_special = false;
                }
            }
        }
    }

    /// Cuts a text at the tokens that are found by name, longer names first.
    fn partition<'t>(&self, text: &'t str, parse: Parse) -> Vec<Fragment<'t>> {
        let mut fragments = vec![Fragment::Text(text)];
        for named in &self.named {
            if (named.control && parse == Parse::Plain) || !text.contains(&named.text) {
                continue;
            }
            fragments = fragments.into_iter().flat_map(|fragment| fragment.cut(named)).collect();
        }
        fragments.retain(|fragment| !matches!(fragment, Fragment::Text("")));
        fragments
    }
}

enum Fragment<'t> {
    Text(&'t str),
    Token(u32),
}

impl<'t> Fragment<'t> {
    fn cut(self, named: &Named) -> Vec<Fragment<'t>> {
        let Fragment::Text(text) = self else { return vec![self] };
        let mut fragments = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(&named.text) {
            fragments.push(Fragment::Text(before));
            fragments.push(Fragment::Token(named.id));
            // The white space of C's `isspace`.
            let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
            rest = if named.strips_right { after.trim_start_matches(space) } else { after };
        }
        fragments.push(Fragment::Text(rest));
        fragments
    }
}

/// The vocabulary as the file has it.
struct Vocabulary<'g> {
    texts: Vec<&'g str>,
    kinds: Vec<Kind>,
    ids: HashMap<&'g str, u32>,
}

impl<'g> Vocabulary<'g> {
    fn read(gguf: &'g Gguf) -> Result<Vocabulary<'g>, Error> {
        let key = "tokenizer.ggml.tokens";
        let texts = gguf.strings(key)?.ok_or_else(|| Error::MissingKey { key: key.to_owned() })?;
        let key = "tokenizer.ggml.token_type";
        let mut kinds = match gguf.u32s(key) {
            Some(kinds) if kinds.len() < texts.len() => {
                return Err(Error::BadValue { key: key.to_owned(), reason: "it is too short".to_owned() });
            }
            Some(kinds) => kinds.into_iter().take(texts.len()).map(Kind::from_id).collect(),
            None => vec![Kind::Normal; texts.len()],
        };
        for (text, kind) in texts.iter().zip(&mut kinds) {
            // Some files have these as plain tokens.
            if stops::END_OF_TURN.contains(text) {
                *kind = Kind::Control;
            }
        }
        let ids = texts.iter().enumerate().map(|(id, text)| (*text, id as u32)).collect();
        Ok(Vocabulary { texts, kinds, ids })
    }
}

/// Tokens that are found by name, longest first.
fn named_tokens(gguf: &Gguf, vocabulary: &Vocabulary<'_>) -> Vec<Named> {
    let name = gguf.string("general.name").unwrap_or_default().to_lowercase();
    // Nothing in the file says so; the model was trained this way.
    let phi3 = name.contains("phi-3") || name.contains("phi3");
    let mut named: Vec<Named> = vocabulary
        .texts
        .iter()
        .zip(&vocabulary.kinds)
        .enumerate()
        .filter(|(_, (text, kind))| {
            matches!(kind, Kind::Control | Kind::Unknown | Kind::UserDefined) && !text.is_empty()
        })
        .map(|(id, (text, kind))| Named {
            text: (*text).to_owned(),
            id: id as u32,
            control: *kind != Kind::UserDefined,
            strips_right: phi3 && !matches!(*text, "<unk>" | "<s>" | "<|endoftext|>"),
        })
        .collect();
    named.sort_by_key(|named| (std::cmp::Reverse(named.text.len()), named.id));
    named
}

/// The bytes of all tokens.
fn pieces(model: &Model, vocabulary: &Vocabulary<'_>) -> (Vec<u8>, Vec<u32>) {
    let mut bytes = Vec::new();
    let mut starts = vec![0];
    for (text, kind) in vocabulary.texts.iter().zip(&vocabulary.kinds) {
        match (model, kind) {
            (_, Kind::Byte) => match spm::byte_of(text) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend(text.as_bytes()),
            },
            (Model::Bpe(_), Kind::Normal) => match bpe::decode(text) {
                Some(decoded) => bytes.extend(decoded),
                None => bytes.extend(text.as_bytes()),
            },
            (Model::Spm(_), Kind::Normal) => bytes.extend(text.replace(spm::SPACE, " ").as_bytes()),
            (_, Kind::Unused) => {}
            (_, Kind::Control | Kind::Unknown | Kind::UserDefined) => bytes.extend(text.as_bytes()),
        }
        starts.push(bytes.len() as u32);
    }
    (bytes, starts)
}

/// The token of a single byte in a byte-level vocabulary.
#[cfg(test)]
pub(crate) fn byte_token(byte: u8) -> String {
    bpe::character_of(byte).to_string()
}

#[cfg(test)]
mod tests;
