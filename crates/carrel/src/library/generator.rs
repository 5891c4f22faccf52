//! The generator, loaded when it is first needed or ahead of that, and only once.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use carrel_corpus::Generator;
use carrel_models::{GeneratorOptions, LocalGenerator, Store};

use super::Error;
use crate::config::Config;

/// What can be said of the models at any moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelStatus {
    pub generator: String,
    pub embedder: String,
    pub loaded: bool,
    /// Why the generator could not be loaded.
    pub error: Option<String>,
}

pub(super) struct GeneratorSlot {
    name: String,
    embedder: String,
    options: GeneratorOptions,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Absent,
    Loading,
    Ready(Arc<LocalGenerator>),
    /// The last attempt failed, as told to whoever asks for status; the next question tries again.
    Failed(String),
}

impl GeneratorSlot {
    pub(super) fn new(config: &Config) -> GeneratorSlot {
        GeneratorSlot {
            name: config.generator.clone(),
            embedder: config.embedder.clone(),
            options: config.generator_options.clone(),
            state: Mutex::new(State::Absent),
            changed: Condvar::new(),
        }
    }

    /// The generator, when it is there without waiting.
    pub(super) fn ready(&self) -> Option<Arc<dyn Generator>> {
        match &*self.lock() {
            State::Ready(generator) => Some(Arc::clone(generator) as Arc<dyn Generator>),
            _ => None,
        }
    }

    /// The generator; loads it, or waits for whoever is loading it already.
    pub(super) fn get(&self, store: &Store) -> Result<Arc<dyn Generator>, Error> {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |state| matches!(state, State::Loading));
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if let State::Ready(generator) = &*state {
            return Ok(Arc::clone(generator) as Arc<dyn Generator>);
        }
        *state = State::Loading;
        drop(state);
        let loaded = LocalGenerator::load(store, &self.name, self.options.clone());
        let (next, result) = match loaded {
            Ok(generator) => {
                let generator = Arc::new(generator);
                (State::Ready(Arc::clone(&generator)), Ok(generator as Arc<dyn Generator>))
            }
            Err(error) => {
                let error = Error::from(error);
                (State::Failed(crate::chain(&error)), Err(error))
            }
        };
        *self.lock() = next;
        self.changed.notify_all();
        result
    }

    /// Erases the prompts that were kept, which are copies of document text.
    pub(super) fn erase(&self) -> Result<(), Error> {
        if let State::Ready(generator) = &*self.lock() {
            generator.erase()?;
        }
        let Some(kept) = &self.options.cache_dir else { return Ok(()) };
        match std::fs::remove_dir_all(kept) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Folder { path: kept.clone(), source })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn status(&self) -> ModelStatus {
        let state = self.lock();
        ModelStatus {
            generator: self.name.clone(),
            embedder: self.embedder.clone(),
            loaded: matches!(*state, State::Ready(_)),
            error: match &*state {
                State::Failed(message) => Some(message.clone()),
                _ => None,
            },
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
