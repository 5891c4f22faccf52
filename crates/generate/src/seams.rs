//! Stand-ins for the two networks in this crate's unit tests: a model that says what it is told to, and vectors
//! that count words.

use std::ops::ControlFlow;
use std::sync::Mutex;

use carrel_corpus::{
    ChunkId, DocumentId, Embedder, Finish, Generation, Generator, Locator, Passage, Prompt, SeamError, Span,
};

use crate::Holdings;
use crate::grounds::NOTHING;
use crate::tasks::Source;
use crate::text::tokens;

/// Gives its replies in turn and the last of them from then on, in pieces of a few characters, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    replies: Mutex<Vec<String>>,
    pub asked: Mutex<Vec<Prompt>>,
    /// How much likelier than by its length it finds a yes, in nats.
    yes: f32,
    /// What it has the other opinion of.
    doubted: Option<&'static str>,
}

impl Script {
    pub fn of(replies: &[&str]) -> Script {
        let replies = replies.iter().rev().map(|reply| (*reply).to_owned()).collect();
        Script { replies: Mutex::new(replies), asked: Mutex::default(), yes: 0.0, doubted: None }
    }

    /// One that is asked for its opinion and has this one.
    pub fn finding(self, right: bool) -> Script {
        Script { yes: if right { 5.0 } else { -5.0 }, ..self }
    }

    /// With the other opinion of what holds these words.
    pub fn but_not(self, words: &'static str) -> Script {
        Script { doubted: Some(words), ..self }
    }
}

impl Generator for Script {
    fn id(&self) -> &str {
        "script"
    }

    fn context_tokens(&self) -> usize {
        4_096
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len().div_ceil(4)
    }

    fn generate(
        &self,
        prompt: &Prompt,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generation, SeamError> {
        self.asked.lock().unwrap().push(prompt.clone());
        let mut replies = self.replies.lock().unwrap();
        let last = replies.first().cloned().expect("the script has a reply");
        let reply = if replies.len() > 1 { replies.pop().unwrap_or_default() } else { last };
        drop(replies);
        let characters: Vec<char> = reply.chars().collect();
        let mut finish = Finish::Stop;
        for piece in characters.chunks(5) {
            if sink(&piece.iter().collect::<String>()).is_break() {
                finish = Finish::Cancelled;
                break;
            }
        }
        Ok(Generation {
            text: reply,
            thinking: String::new(),
            finish,
            prompt_tokens: 1,
            cached_tokens: 0,
            output_tokens: 1,
            prefill_seconds: 0.0,
            decode_seconds: 0.0,
        })
    }

    fn score(&self, prompt: &Prompt, continuations: &[&str]) -> Result<Vec<Vec<f32>>, SeamError> {
        let holds =
            |words: &str| prompt.messages.last().is_some_and(|message| message.content.contains(words));
        let found = |continuation: &&str| match !holds(NOTHING) && *continuation == "Yes" {
            true if self.doubted.is_some_and(holds) => -self.yes,
            true => self.yes,
            false => 0.0,
        };
        Ok(continuations.iter().map(|reply| vec![found(reply) - reply.len() as f32]).collect())
    }
}

/// Counts words in buckets: texts with the same words are near.
pub(crate) struct Counting;

impl Embedder for Counting {
    fn id(&self) -> &str {
        "counting"
    }

    fn dimensions(&self) -> usize {
        256
    }

    fn max_tokens(&self) -> usize {
        256
    }

    fn count_tokens(&self, text: &str) -> usize {
        tokens(text).len()
    }

    fn passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, SeamError> {
        Ok(texts.iter().map(|text| count(text)).collect())
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, SeamError> {
        Ok(count(text))
    }
}

fn count(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0f32; 256];
    for token in tokens(text).into_iter().filter(|token| token.content) {
        let bucket = token.stem.bytes().fold(7usize, |hash, byte| hash.wrapping_mul(31) + usize::from(byte));
        vector[bucket % 256] += 1.0;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
    vector.into_iter().map(|x| x / length).collect()
}

/// A library of a few passages.
pub(crate) struct Shelf<'a> {
    pub passages: &'a [Passage],
    /// Found only where spreadsheets are looked for.
    pub sheets: &'a [Passage],
}

impl<'a> Shelf<'a> {
    pub fn of(passages: &'a [Passage]) -> Shelf<'a> {
        Shelf { passages, sheets: &[] }
    }
}

impl Holdings for Shelf<'_> {
    fn read(&self, document: DocumentId, _: Option<&str>) -> Result<Vec<Passage>, SeamError> {
        let all = self.passages.iter().chain(self.sheets);
        Ok(all.filter(|passage| passage.document == document).cloned().collect())
    }

    fn opening(&self, document: DocumentId) -> Result<Option<Passage>, SeamError> {
        Ok(self.read(document, None)?.into_iter().next())
    }

    fn sheets(&self) -> Result<Vec<Passage>, SeamError> {
        Ok(self.sheets.to_vec())
    }

    fn documents(&self) -> Result<Vec<Source>, SeamError> {
        let mut all: Vec<Source> = Vec::new();
        for Passage { document, path, .. } in self.passages {
            if all.iter().all(|known| known.document != *document) {
                all.push(Source { document: *document, path: path.clone() });
            }
        }
        Ok(all)
    }

    fn meant(&self, _: &str) -> Result<Vec<Source>, SeamError> {
        self.documents()
    }
}

/// A passage of a document of its own.
pub(crate) fn passage(document: i64, path: &str, start: usize, text: &str) -> Passage {
    Passage {
        chunk: ChunkId(document * 100 + start as i64),
        document: DocumentId(document),
        path: path.to_owned(),
        title: path.split('.').next().unwrap_or(path).to_owned(),
        headings: Vec::new(),
        locator: Locator::Whole,
        span: Span::new(start, start + text.len()),
        text: text.to_owned(),
        context: String::new(),
        hidden: false,
        date: None,
        score: 1.0,
        similarity: None,
        bm25: None,
    }
}
