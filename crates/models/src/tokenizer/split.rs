//! How each family cuts text into words before merging (`tokenizer.ggml.pre`).
//!
//! The expressions are those of llama.cpp's `llm_tokenizer_bpe`, applied one after the other: each cuts the pieces
//! that the one before has left, and what it does not match stays as it is.

use tokenizers::SplitDelimiterBehavior;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use crate::Error;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const PUNCTUATION: &str = r"[\p{P}\$\+<=>\^~\|]+";
const FALCON: [&str; 3] = [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"];
const DIGIT: &str = r"\p{N}";

/// A known rule.
struct Rule {
    names: &'static [&'static str],
    expressions: &'static [&'static str],
    /// A word that is a token is that token, however merging would put it together.
    whole_words: bool,
    /// A prompt begins with the model's first token.
    add_bos: bool,
}

const fn rule(names: &'static [&'static str], expressions: &'static [&'static str]) -> Rule {
    Rule { names, expressions, whole_words: false, add_bos: false }
}

static RULES: [Rule; 10] = [
    Rule {
        whole_words: true,
        add_bos: true,
        ..rule(&["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "lfm2"], &[LLAMA3])
    },
    rule(&["dbrx", "smaug-bpe", "chatglm-bpe"], &[LLAMA3]),
    rule(&["qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"], &[QWEN2]),
    rule(&["qwen35"], &[QWEN35]),
    rule(
        &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
        &[DIGIT, GPT2],
    ),
    rule(&["gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling"], &[GPT2]),
    Rule { whole_words: true, add_bos: true, ..rule(&["tekken"], &[TEKKEN]) },
    rule(&["gpt-4o", "llama4"], &[GPT4O]),
    rule(&["falcon"], &FALCON),
    rule(&["default"], &[PUNCTUATION, GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
];

/// Cuts text into words.
pub(super) struct Splitter {
    steps: Vec<Split>,
    pub(super) whole_words: bool,
    pub(super) add_bos: bool,
}

impl Splitter {
    /// # Errors
    /// [`Error::Tokenizer`] for a rule that is not known.
    pub(super) fn named(name: &str) -> Result<Splitter, Error> {
        let unknown = || Error::Tokenizer(format!("gpt2 with splitting rule {name}"));
        let rule = RULES.iter().find(|rule| rule.names.contains(&name)).ok_or_else(unknown)?;
        let step = |expression: &&str| {
            let pattern = SplitPattern::Regex((*expression).to_owned());
            Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                .map_err(|error| Error::Tokenization(error.to_string()))
        };
        let steps = rule.expressions.iter().map(step).collect::<Result<_, _>>()?;
        Ok(Splitter { steps, whole_words: rule.whole_words, add_bos: rule.add_bos })
    }

    /// Hands the words of a text to `word` in order. Together they are the text.
    pub(super) fn split(&self, text: &str, word: &mut dyn FnMut(&str)) {
        let mut pieces = PreTokenizedString::from(text);
        for step in &self.steps {
            if step.pre_tokenize(&mut pieces).is_err() {
                // The engine gave up on an expression that backtracks too far: the text stays less finely cut.
                break;
            }
        }
        for (piece, _, _) in pieces.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            word(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rule: &str, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        Splitter::named(rule).unwrap().split(text, &mut |word| words.push(word.to_owned()));
        assert_eq!(words.concat(), text);
        words
    }

    #[test]
    fn families_cut_differently() {
        let text = "It's 2024, isn't\n\n  it?";
        assert_eq!(words("gpt-2", text), ["It", "'s", " 2024", ",", " isn", "'t", "\n\n ", " it", "?"]);
        let smollm = ["It", "'s", " ", "2", "0", "2", "4", ",", " isn", "'t", "\n\n ", " it", "?"];
        assert_eq!(words("smollm", text), smollm);
        let qwen = ["It", "'s", " ", "2", "0", "2", "4", ",", " isn", "'t", "\n\n", " ", " it", "?"];
        assert_eq!(words("qwen2", text), qwen);
        let llama = ["It", "'s", " ", "202", "4", ",", " isn", "'t", "\n\n", " ", " it", "?"];
        assert_eq!(words("llama-bpe", text), llama);
    }

    #[test]
    fn an_unknown_rule_is_an_error() {
        let Err(Error::Tokenizer(name)) = Splitter::named("kimi-k2") else { panic!("it was taken") };
        assert!(name.contains("kimi-k2"));
        for rule in &RULES {
            for name in rule.names {
                assert!(!words(name, "Straße 日本語 🙂 'tis 12345 \t\r\n x").is_empty());
            }
        }
    }
}
