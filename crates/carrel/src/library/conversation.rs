//! Conversations: what was asked and answered before, kept in the catalog until somebody deletes it or one of the
//! documents that it quotes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use carrel_corpus::DocumentId;
use carrel_generate::Turn;

use super::{Answered, AskEvent, AskRequest, Error, Library};
use crate::wire;
use std::ops::ControlFlow;

/// Characters of the first question that name a conversation.
const TITLE: usize = 80;

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationSummary {
    pub id: String,
    pub title: String,
    /// Seconds since the Unix epoch.
    pub created: i64,
    pub updated: i64,
}

/// A conversation with its answers, as they were given.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub summary: ConversationSummary,
    pub answers: Vec<wire::Answer>,
}

impl From<&carrel_index::Conversation> for ConversationSummary {
    fn from(stored: &carrel_index::Conversation) -> ConversationSummary {
        ConversationSummary {
            id: stored.id.clone(),
            title: stored.title.clone(),
            created: stored.created,
            updated: stored.updated,
        }
    }
}

impl Library {
    /// All conversations, last used first.
    pub fn conversations(&self) -> Result<Vec<ConversationSummary>, Error> {
        Ok(self.index.conversations()?.iter().map(ConversationSummary::from).collect())
    }

    pub fn conversation(&self, id: &str) -> Result<Conversation, Error> {
        let stored = self.index.conversation(id)?.ok_or(Error::NoSuchConversation)?;
        Ok(Conversation { summary: ConversationSummary::from(&stored), answers: answers(&stored) })
    }

    pub fn delete_conversation(&self, id: &str) -> Result<(), Error> {
        match self.index.delete_conversation(id)? {
            true => Ok(()),
            false => Err(Error::NoSuchConversation),
        }
    }

    /// What was asked and answered before in the conversation of a question, each question as it reads alone.
    pub(super) fn history(&self, conversation: Option<&str>) -> Result<Vec<Turn>, Error> {
        let Some(id) = conversation else { return Ok(Vec::new()) };
        let conversation = self.conversation(id)?;
        let turns = conversation.answers.into_iter();
        let turn = |answer: wire::Answer| Turn {
            question: answer.standalone.unwrap_or(answer.question),
            answer: answer.answer,
        };
        Ok(turns.map(turn).collect())
    }

    /// The question as it reads without what went before, where it does not as it is. A first question does, and needs no model.
    pub(super) fn standalone_question(
        &self,
        history: &[Turn],
        question: &str,
        sink: &mut dyn FnMut(AskEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Option<String>, Error> {
        let question = question.trim();
        if question.is_empty() {
            return Err(Error::EmptyQuestion);
        }
        if history.is_empty() {
            return Ok(None);
        }
        let generator = self.loaded_generator(sink)?;
        let rewritten = carrel_generate::standalone_question(history, question, &*generator)?;
        match rewritten.as_deref().map(|rewritten| sink(AskEvent::Rewritten(rewritten))) {
            Some(ControlFlow::Break(())) => Err(Error::Cancelled),
            _ => Ok(rewritten),
        }
    }

    /// The generator, telling `sink` when it has to be waited for.
    pub(super) fn loaded_generator(
        &self,
        sink: &mut dyn FnMut(AskEvent<'_>) -> ControlFlow<()>,
    ) -> Result<std::sync::Arc<dyn carrel_corpus::Generator>, Error> {
        if let Some(generator) = self.generator.ready() {
            return Ok(generator);
        }
        if sink(AskEvent::Note("loading the model")).is_break() {
            return Err(Error::Cancelled);
        }
        let generator = self.generator.get(&self.store);
        self.activity.changed();
        generator
    }

    /// Appends an answer to its conversation, or begins one with it. Gives the conversation's id.
    pub(super) fn remember(&self, request: &AskRequest, answered: &Answered) -> Result<String, Error> {
        let now = now();
        let stored = match request.conversation.as_deref() {
            Some(id) => self.index.conversation(id)?,
            None => None,
        };
        let mut stored = stored.unwrap_or_else(|| carrel_index::Conversation {
            id: request.conversation.clone().unwrap_or_else(|| new_id(&answered.question)),
            title: crate::cli::one_line(&answered.question, TITLE),
            body: "[]".to_owned(),
            created: now,
            updated: now,
            documents: Vec::new(),
        });
        let mut answers = answers(&stored);
        answers.push(wire::Answer { conversation: Some(stored.id.clone()), ..wire::Answer::from(answered) });
        let mut documents: BTreeSet<DocumentId> = stored.documents.iter().copied().collect();
        documents.extend(answered.answer.passages.iter().map(|passage| passage.document));
        stored.documents = documents.into_iter().collect();
        stored.updated = now;
        // Mirrors of plain data: there is nothing in them that JSON cannot say.
        stored.body = serde_json::to_string(&answers).unwrap_or_default();
        self.index.save_conversation(&stored)?;
        Ok(stored.id)
    }
}

/// The answers of a stored conversation; none of one that another version wrote differently.
fn answers(stored: &carrel_index::Conversation) -> Vec<wire::Answer> {
    serde_json::from_str(&stored.body).unwrap_or_default()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// An id that no other conversation of this library has.
fn new_id(question: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut hasher = blake3::Hasher::new();
    hasher.update(question.as_bytes());
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    hasher.update(&nanoseconds.to_le_bytes());
    hasher.update(&COUNTER.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    hasher.finalize().to_hex()[..16].to_owned()
}
