//! Text from a local model: prompt to tokens, tokens to text, and what is kept between requests.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use carrel_corpus::{Finish, Generation, Generator, Prompt, SeamError};

use crate::decoder::{CacheType, Decoder, DecoderOptions, State};
use crate::fit::fit;
use crate::gguf::Gguf;
use crate::grammar::Grammars;
use crate::sampling::{Sampler, log_probability};
use crate::store::ModelKind;
use crate::template::ChatTemplate;
use crate::tokenizer::{Parse, Tokenizer};
use crate::{Digest, Error, Store};

mod decode;
mod kept;
mod output;
mod saved;

use decode::Decode;
use kept::{Kept, Purpose};

/// How a generator is run.
#[derive(Clone, Debug)]
pub struct GeneratorOptions {
    pub threads: usize,
    /// Tokens that prompt and reply may have together; at most what the model was trained for.
    pub context_tokens: usize,
    /// What keys and values of what was read are kept as.
    pub cache: CacheType,
    /// Where read prompts are kept over a restart. They are copies of document text: inside the data directory, and
    /// to be erased with the documents ([`LocalGenerator::erase`]). `None` keeps none.
    pub cache_dir: Option<PathBuf>,
    /// Whether to guess from what has been read how the text goes on, and to check the guesses in one batch. The text
    /// is the same either way.
    pub speculation: bool,
}

/// Prompt tokens between two looks at whether the reader is still there.
const PREFILL_STEP: usize = 256;

/// A model of the store, ready to write.
pub struct LocalGenerator {
    id: String,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    decoder: Decoder,
    grammars: Grammars,
    speculation: bool,
    /// Also keeps a second request waiting while the first is written.
    kept: Mutex<Kept>,
}

impl LocalGenerator {
    /// Loads a model of the store, or a GGUF file.
    ///
    /// # Errors
    /// [`Error::DoesNotFit`] with the numbers before anything is loaded; what is missing or not supported, by name.
    pub fn load(
        store: &Store,
        name_or_path: &str,
        options: GeneratorOptions,
    ) -> Result<LocalGenerator, Error> {
        let Located { name, path, digest, derived } = locate(store, name_or_path)?;
        let gguf = Arc::new(Gguf::open(&path)?);
        let trained = gguf.usize(&gguf.key("context_length")).filter(|&tokens| tokens > 0);
        let context_tokens = options.context_tokens.min(trained.unwrap_or(usize::MAX)).max(16);
        fit(&gguf, context_tokens, options.cache)?.check(&name)?;
        let tokenizer = Tokenizer::from_gguf(&gguf)?;
        let template = ChatTemplate::from_gguf(&gguf, &tokenizer)?;
        let decoder = Decoder::load(
            &gguf,
            DecoderOptions {
                threads: options.threads,
                context_tokens,
                cache: options.cache,
                repack_dir: derived,
            },
        )?;
        let kept = Mutex::new(Kept::new(options.cache_dir, &digest, &decoder));
        Ok(LocalGenerator {
            id: format!("{name}@{}", &digest.to_string()[..16]),
            tokenizer,
            template,
            decoder,
            grammars: Grammars::default(),
            speculation: options.speculation,
            kept,
        })
    }

    /// Forgets everything that was read, in memory and on disk.
    pub fn erase(&self) -> Result<(), Error> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).erase()
    }

    fn write(
        &self,
        prompt: &Prompt,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generation, Error> {
        let tokens = self.template.tokens(&self.tokenizer, prompt)?;
        let limit = self.decoder.context_tokens();
        if tokens.len() >= limit {
            return Err(Error::ContextOverflow { tokens: tokens.len(), limit });
        }
        let schema = prompt.json_schema.as_deref();
        let constraint =
            schema.map(|schema| self.grammars.json_schema(&self.tokenizer, schema)).transpose()?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = kept.take(&self.decoder, &tokens);
        let mut generation = Generation {
            text: String::new(),
            thinking: String::new(),
            finish: Finish::Cancelled,
            prompt_tokens: tokens.len(),
            cached_tokens: state.len(),
            output_tokens: 0,
            prefill_seconds: 0.0,
            decode_seconds: 0.0,
        };
        let started = Instant::now();
        let logits = self.read(&mut state, &tokens, sink);
        generation.prefill_seconds = started.elapsed().as_secs_f64();
        let written = logits.and_then(|logits| {
            let Some(logits) = logits else { return Ok(()) };
            let decode = Decode {
                decoder: &self.decoder,
                tokenizer: &self.tokenizer,
                speculation: self.speculation,
                most: prompt.max_tokens.min(limit - tokens.len()),
            };
            let started = Instant::now();
            let sampler = Sampler::new(&prompt.sampling);
            let done =
                decode.run(&mut state, logits, sampler, constraint, &prompt.stop, sink, &mut generation);
            generation.decode_seconds = started.elapsed().as_secs_f64();
            done
        });
        kept.put(&self.decoder, state, Purpose::Reply);
        written.map(|()| generation)
    }

    /// Reads what the state has not read yet. `None` where the reader went away.
    fn read(
        &self,
        state: &mut State,
        tokens: &[u32],
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<Vec<f32>>, Error> {
        let mut logits = Vec::new();
        for step in tokens[state.len()..].chunks(PREFILL_STEP) {
            // An empty piece says nothing, and learns whether anybody listens.
            if sink("").is_break() {
                return Ok(None);
            }
            logits = self.decoder.prefill(state, step)?.to_vec();
        }
        Ok(Some(logits))
    }

    fn likelihoods(&self, prompt: &Prompt, continuations: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let before = self.template.tokens(&self.tokenizer, prompt)?;
        let with = |continuation: &&str| -> Result<Vec<u32>, Error> {
            let reply_prefix = format!("{}{continuation}", prompt.reply_prefix);
            self.template.tokens(&self.tokenizer, &Prompt { reply_prefix, ..prompt.clone() })
        };
        let wholes: Vec<Vec<u32>> = continuations.iter().map(with).collect::<Result<_, _>>()?;
        let limit = self.decoder.context_tokens();
        if let Some(tokens) = wholes.iter().map(Vec::len).find(|&tokens| tokens > limit) {
            return Err(Error::ContextOverflow { tokens, limit });
        }
        // Where the end of the prompt and a continuation become one token, that token belongs to the continuation.
        let end = |whole: &[u32]| before.iter().zip(whole).take_while(|(a, b)| a == b).count().max(1);
        let Some(first) = wholes.first() else { return Ok(Vec::new()) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = kept.take(&self.decoder, &first[..end(first)]);
        let mut next = Vec::new();
        let mut found = Vec::with_capacity(wholes.len());
        for whole in &wholes {
            let end = end(whole);
            if end == whole.len() {
                found.push(Vec::new());
                continue;
            }
            if next.is_empty() || state.len() != end || state.common_prefix(whole) < end {
                state.truncate(state.common_prefix(&whole[..end - 1]));
                let read = state.len();
                next = self.decoder.prefill(&mut state, &whole[read..end])?.to_vec();
            }
            found.push(self.go_on(&mut state, whole, &next)?);
        }
        kept.put(&self.decoder, state, Purpose::Opinion);
        Ok(found)
    }

    /// Log-likelihoods of the tokens of `whole` that the state has not read, where `next` are the logits of the first of
    /// them. The state is left as it was.
    fn go_on(&self, state: &mut State, whole: &[u32], next: &[f32]) -> Result<Vec<f32>, Error> {
        let read = state.len();
        let mut found = vec![log_probability(next, whole[read])];
        for (start, step) in (read..whole.len() - 1)
            .step_by(SCORE_STEP)
            .map(|start| (start, &whole[start..(start + SCORE_STEP).min(whole.len() - 1)]))
        {
            let rows = self.decoder.verify(state, step)?;
            for (index, row) in rows.chunks_exact(next.len()).enumerate() {
                found.push(log_probability(row, whole[start + index + 1]));
            }
        }
        state.truncate(read);
        Ok(found)
    }
}

/// Positions whose logits are looked at together when scoring.
const SCORE_STEP: usize = 32;

struct Located {
    name: String,
    path: PathBuf,
    digest: Digest,
    /// Where weights in the layout of this machine are kept.
    derived: Option<PathBuf>,
}

/// The file of a name in the store, or of a path.
fn locate(store: &Store, name_or_path: &str) -> Result<Located, Error> {
    let manifest = match store.get(name_or_path) {
        Ok(manifest) => manifest,
        Err(error) => {
            let path = Path::new(name_or_path);
            if !path.is_file() {
                return Err(error);
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let digest = Digest::of_file(path)?.0;
            return Ok(Located { name, path: path.to_owned(), digest, derived: None });
        }
    };
    if manifest.kind != ModelKind::Generator {
        return Err(Error::WrongKind {
            name: manifest.name,
            found: manifest.kind.name(),
            wanted: ModelKind::Generator.name(),
        });
    }
    let path = store.file(&manifest, "weights")?;
    let digest = manifest.file("weights").ok_or_else(|| Error::MissingKey { key: "weights".to_owned() })?;
    Ok(Located { path, digest, derived: Some(store.derived_directory(&digest)), name: manifest.name })
}

impl Generator for LocalGenerator {
    fn id(&self) -> &str {
        &self.id
    }

    fn context_tokens(&self) -> usize {
        self.decoder.context_tokens()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.encode(text, Parse::Plain).len()
    }

    fn generate(
        &self,
        prompt: &Prompt,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generation, SeamError> {
        self.write(prompt, sink).map_err(|error| SeamError::caused_by("the model could not answer", error))
    }

    fn score(&self, prompt: &Prompt, continuations: &[&str]) -> Result<Vec<Vec<f32>>, SeamError> {
        self.likelihoods(prompt, continuations)
            .map_err(|error| SeamError::caused_by("the model could not judge the text", error))
    }
}

#[cfg(test)]
mod tests;
