//! Output that must follow a JSON schema.

use std::sync::{Arc, Mutex, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};

use crate::Error;
use crate::tokenizer::Tokenizer;

/// What grammars are compiled against: the vocabulary as a trie. Made when it is first needed.
#[derive(Default)]
pub(crate) struct Grammars {
    factory: OnceLock<Result<Mutex<ParserFactory>, String>>,
}

/// One output being written under a schema.
pub(crate) struct Constraint {
    matcher: Matcher,
}

impl Grammars {
    /// # Errors
    /// [`Error::Grammar`] for text that is no JSON schema, or one that cannot be followed.
    pub(crate) fn json_schema(&self, tokenizer: &Tokenizer, schema: &str) -> Result<Constraint, Error> {
        let schema = serde_json::from_str(schema).map_err(|error| Error::Grammar(error.to_string()))?;
        let factory = self.factory.get_or_init(|| factory(tokenizer).map(Mutex::new));
        let factory = factory.as_ref().map_err(|error| Error::Grammar(error.clone()))?;
        let factory = factory.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let parser = factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let matcher = Matcher::new(parser);
        match matcher.get_error() {
            Some(error) => Err(Error::Grammar(error)),
            None => Ok(Constraint { matcher }),
        }
    }
}

fn factory(tokenizer: &Tokenizer) -> Result<ParserFactory, String> {
    let words: Vec<Vec<u8>> = (0..tokenizer.len() as u32).map(|token| word(tokenizer, token)).collect();
    let end = tokenizer.eos().or(tokenizer.stops().first().copied()).unwrap_or(0);
    let mut info = TokRxInfo::new(words.len() as u32, end);
    info.tok_bos = tokenizer.bos();
    let environment: TokEnv = Arc::new(ApproximateTokEnv::new(TokTrie::from(&info, &words)));
    let mut factory = ParserFactory::new_simple(&environment).map_err(|error| error.to_string())?;
    factory.quiet();
    Ok(factory)
}

/// Control tokens are marked, so that no text can be written with them.
fn word(tokenizer: &Tokenizer, token: u32) -> Vec<u8> {
    match tokenizer.is_control(token) {
        true => [&[TokTrie::SPECIAL_TOKEN_MARKER], tokenizer.piece(token)].concat(),
        false => tokenizer.piece(token).to_vec(),
    }
}

impl Constraint {
    /// The tokens that may come next. At the end of the output only the last token may.
    pub(crate) fn allowed(&mut self) -> Result<SimpleVob, Error> {
        self.matcher.compute_mask_or_eos().map_err(|error| Error::Grammar(error.to_string()))
    }

    /// Takes the token that was chosen.
    pub(crate) fn accept(&mut self, token: u32) -> Result<(), Error> {
        self.matcher.consume_token(token).map_err(|error| Error::Grammar(error.to_string()))
    }

    /// Whether the output is complete and nothing may follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }
}
