//! Makes a set out of a person's own documents: the model drafts questions, a person accepts them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use carrel_corpus::{DocumentId, Passage};
use carrel_generate::Stats;
use carrel_generate::tasks::{Draft, draft};
use carrel_index::{Filter, Query, Ranking};
use serde_json::json;

use super::{Error, Library, Watch};

/// Passages shorter than this say too little to be asked about.
const LEAST_BYTES: usize = 200;
/// A question whose passage is not among so many found for it has little to do with it: retrieval could not be judged by it.
const WITHIN: usize = 50;
/// Passages tried for each question that is wanted.
const TRIES: usize = 4;

/// Says of a draft whether it is kept; breaks when no more are wanted.
pub type Accept<'a> = &'a mut dyn FnMut(&Draft) -> Result<ControlFlow<(), bool>, Error>;

/// Drafts up to `wanted` questions over all documents of the library, handing each that holds to `accept`.
pub fn draft_questions(
    library: &Library,
    wanted: usize,
    watch: Watch<'_>,
    accept: Accept<'_>,
) -> Result<Vec<Draft>, Error> {
    let generator = library.generator()?;
    let passages = spread(library, wanted * TRIES)?;
    let mut accepted = Vec::new();
    for passage in &passages {
        if accepted.len() >= wanted {
            break;
        }
        if watch("drafting questions", accepted.len(), wanted).is_break() {
            return Err(Error::Stopped);
        }
        let drafted =
            draft(passage, &*generator, &mut Stats::default()).map_err(crate::library::Error::from)?;
        let Some(drafted) = drafted else { continue };
        if !is_found(library, &drafted)? {
            continue;
        }
        match accept(&drafted)? {
            ControlFlow::Continue(true) => accepted.push(drafted),
            ControlFlow::Continue(false) => {}
            ControlFlow::Break(()) => break,
        }
    }
    Ok(accepted)
}

/// Up to `limit` passages, taken from the documents in turn, the same in every run.
fn spread(library: &Library, limit: usize) -> Result<Vec<Passage>, Error> {
    let mut by_document: Vec<Vec<Passage>> = Vec::new();
    for record in library.files(None)?.into_iter().filter(|record| record.outcome.is_searchable()) {
        let mut passages = library.index().passages(record.document)?;
        passages.retain(|passage| passage.text.len() >= LEAST_BYTES && !passage.hidden);
        passages.sort_by_cached_key(|passage| *blake3::hash(passage.text.as_bytes()).as_bytes());
        by_document.push(passages);
    }
    let deepest = by_document.iter().map(Vec::len).max().unwrap_or(0);
    let rounds = (0..deepest).flat_map(|round| by_document.iter().filter_map(move |all| all.get(round)));
    Ok(rounds.take(limit).cloned().collect())
}

fn is_found(library: &Library, draft: &Draft) -> Result<bool, Error> {
    let found = library.index().search(&Query {
        text: draft.question.clone(),
        vector: Some(library.embedder().query(&draft.question)?),
        filter: Filter::default(),
        limit: WITHIN,
        ranking: Ranking::Hybrid,
        per_document: None,
        collapse_duplicates: false,
        strict_phrases: false,
    })?;
    Ok(found
        .iter()
        .any(|passage| passage.document == draft.source.document && passage.span.overlaps(draft.source.span)))
}

/// Writes the set: `queries.jsonl`, and `docs`, a link to the documents.
///
/// # Errors
/// When `directory` cannot be made or written in, or holds another set.
pub fn write(
    library: &Library,
    documents: &Path,
    drafts: &[Draft],
    directory: &Path,
) -> Result<PathBuf, Error> {
    let unwritable = |source| Error::Write { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(unwritable)?;
    let link = directory.join("docs");
    if fs::read_link(&link).ok().as_deref() != Some(documents) {
        std::os::unix::fs::symlink(documents, &link).map_err(unwritable)?;
    }
    let mut texts: HashMap<DocumentId, String> = HashMap::new();
    let file = directory.join("queries.jsonl");
    let mut lines = Vec::new();
    for draft in drafts {
        let source = &draft.source;
        let text = match texts.entry(source.document) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => unread.insert(library.index().document(source.document)?.text),
        };
        let points = |bytes: usize| text[..bytes].chars().count();
        let path = carrel_ingest::path_from_stored(source.path.split("!/").next().unwrap_or(&source.path));
        let id = blake3::hash(format!("{}\n{}", source.path, draft.question).as_bytes()).to_hex();
        let line = json!({
            "id": &id[..12],
            "question": draft.question,
            "relevant": [{
                "doc": path.strip_prefix(documents).unwrap_or(&path),
                "text": source.quote,
                "start": points(source.span.start),
                "end": points(source.span.end),
                "page": source.locator.first_page(),
            }],
            "answers": [draft.answer],
            "answerable": true,
        });
        lines.push(line.to_string() + "\n");
    }
    let mut options = fs::OpenOptions::new();
    // The words of documents are nobody else's business.
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.write(true).create_new(true).open(&file).map_err(unwritable)?;
    out.write_all(lines.concat().as_bytes()).map_err(unwritable)?;
    Ok(file)
}
