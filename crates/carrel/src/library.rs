//! The façade over the four siblings. Every interface - command line, web page, any API - calls this and nothing
//! beneath it.
//!
//! The two straight lines of the design are `Library::read_files` (files on disk become searchable text, whose
//! vectors [`Library::embed_pending`] makes afterwards) and [`Library::ask`] (a question becomes an answer with
//! verified citations). Around them stand two background threads: one keeps the catalog in step with the folders
//! ([`reconcile`]), the other makes vectors when nobody is asking ([`embed`]).

mod batch;
mod conversation;
mod embed;
mod error;
mod gate;
mod generator;
mod jobs;
mod mounts;
mod reconcile;
mod request;
mod status;
mod tasks;

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use carrel_corpus::{
    ChunkId, Coverage, Document, DocumentId, Embedder, FolderId, Generator, Outcome, Passage, SeamError,
};
use carrel_generate::tasks::Source;
use carrel_generate::{AnswerRequest, Event, Holdings, Stats};
use carrel_index::{FileRecord, FileStamp, Filter, Index, IndexConfig, Query, Ranking, parse_query};
use carrel_ingest::{Password, Stamp, Workers};
use carrel_models::{LocalEmbedder, LocalReranker, Store};

use crate::config::Config;
use crate::{audit, heap};

pub use conversation::{Conversation, ConversationSummary};
pub use error::{Error, Kind};
pub use generator::ModelStatus;
pub use request::{Answered, AskEvent, AskRequest, DEFAULT_RESULTS, DocumentText, Scope, SearchRequest};
pub use status::{FolderStatus, Phase, Progress, Status};
pub use tasks::Visit;

use batch::{Job, ReadFile};
use gate::Gate;
use generator::GeneratorSlot;
use reconcile::Wake;
use status::Activity;

/// Passages fetched for an answer; the answer keeps as many of them as its budget allows.
const RETRIEVED: usize = 24;
/// Of these, at most so many from one document, so that several voices are heard.
const RETRIEVED_PER_DOCUMENT: usize = 10;
/// Passages that a reranker looks at: each costs it a few milliseconds.
const RERANKED: usize = 50;
/// Passages fetched from documents that the person pinned, ahead of all others.
const RETRIEVED_PINNED: usize = 8;
/// Passages of spreadsheets that are looked at for a table to compute with, of one document, and the ends of their names. A
/// workbook has several tables.
const RETRIEVED_SHEETS: usize = 8;
const RETRIEVED_PER_SHEET: usize = 4;
const SHEETS: [&str; 7] = ["csv", "tsv", "xlsx", "xlsm", "xlsb", "xls", "ods"];
/// Place among the passages of the one document that a question names where that document's beginning stands at the latest.
const OPENING: usize = 2;
/// What was read becomes searchable at least this often while reading goes on.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a document shown before and after a quoted span.
const SURROUNDINGS: usize = 2000;

/// The documents of one data directory: read, searched and asked about.
///
/// Blocking, and shared between threads in an [`Arc`]. One process at a time can have a data directory open.
pub struct Library {
    config: Config,
    store: Store,
    index: Index,
    embedder: Arc<dyn Embedder>,
    reranker: Option<LocalReranker>,
    generator: GeneratorSlot,
    workers: Workers,
    gate: Gate,
    activity: Activity,
    stopping: AtomicBool,
    wakes: Mutex<Option<mpsc::Sender<Wake>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Library {
    /// Opens the data directory of `config`, bringing everything derived in it up to date with the catalog.
    ///
    /// The embedder is loaded here, since vectors of another one must not be searched; the generator is not.
    pub fn open(config: Config) -> Result<Arc<Library>, Error> {
        let store = Store::open(&config.models_dir)?;
        let embedder: Arc<dyn Embedder> =
            Arc::new(LocalEmbedder::load(&store, &config.embedder, config.threads)?);
        let reranker = config.reranker.as_deref();
        let reranker = reranker.map(|name| LocalReranker::load(&store, name, config.threads)).transpose()?;
        let index = Index::open(IndexConfig {
            directory: config.data_dir.clone(),
            embedder: embedder.id().to_owned(),
            dimensions: embedder.dimensions(),
        })?;
        let workers = Workers::new(config.workers());
        Ok(Arc::new(Library {
            generator: GeneratorSlot::new(&config),
            store,
            index,
            embedder,
            reranker,
            workers,
            gate: Gate::default(),
            activity: Activity::default(),
            stopping: AtomicBool::new(false),
            wakes: Mutex::new(None),
            threads: Mutex::new(Vec::new()),
            config,
        }))
    }

    /// Begins to watch and read the folders and to make vectors, in the background, until [`Library::stop`].
    pub fn start(self: &Arc<Self>) {
        self.activity.started();
        let (sender, receiver) = mpsc::channel();
        *lock(&self.wakes) = Some(sender);
        let reconcile = Arc::clone(self);
        let embed = Arc::clone(self);
        let mut threads = lock(&self.threads);
        threads.push(spawn("reconcile", move || reconcile::run(&reconcile, &receiver)));
        threads.push(spawn("embed", move || embed::run(&embed)));
    }

    /// Loads the generator in the background, so that the first question need not wait for it.
    pub fn preload_generator(self: &Arc<Self>) {
        let library = Arc::clone(self);
        let thread = spawn("load-generator", move || {
            // What goes wrong is kept in the slot, where status and the next question find it.
            let _ = library.generator.get(&library.store);
            library.activity.changed();
        });
        lock(&self.threads).push(thread);
    }

    /// Stops the background threads at a safe point and waits for them. Nothing that was read is lost.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(wakes) = lock(&self.wakes).take() {
            // The thread may have ended already.
            let _ = wakes.send(Wake::Stop);
        }
        self.gate.release_waiting();
        self.activity.changed();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a background thread panicked");
            }
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    pub fn embedder(&self) -> &dyn Embedder {
        self.embedder.as_ref()
    }

    /// The generator; loads it where that has not been done.
    pub fn generator(&self) -> Result<Arc<dyn Generator>, Error> {
        self.generator.get(&self.store)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

// The first straight line: file on disk -> Document -> Chunks -> committed in the catalog -> vectors -> visible.
impl Library {
    /// Reads files side by side, commits them a few at a time, each batch in one transaction, and publishes what was
    /// committed about once a second. A file that cannot be read is committed with the outcome that says why.
    ///
    /// # Errors
    /// When the catalog or the indexes cannot be written; never because of a file.
    fn read_files(&self, jobs: &[Job]) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let (sender, read) = mpsc::sync_channel(2 * self.config.workers);
            for _ in 0..self.config.workers.min(jobs.len()) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.keep_going().is_break() {
                            break;
                        }
                        match self.read(job) {
                            Some(file) => {
                                if sender.send(file).is_err() {
                                    break;
                                }
                            }
                            None => self.rescan(),
                        }
                    }
                });
            }
            drop(sender);
            let mut published = Instant::now();
            while let Some(batch) = batch::collect(&read) {
                self.index.put_many(&batch::readings(&batch))?;
                self.activity.files_done(batch.len());
                if published.elapsed() >= PUBLISH_EVERY {
                    self.publish()?;
                    published = Instant::now();
                }
            }
            self.publish()
        })
    }

    /// One file, its members, and the chunks of each. `None` where it has gone since it was seen: that is for the next
    /// look at the folders to settle, which may find it elsewhere, and would leave it there as it was noted here.
    fn read(&self, job: &Job) -> Option<ReadFile> {
        let path = carrel_ingest::path_from_stored(&job.path);
        let document = self.workers.extract(&path);
        let failed = matches!(document.outcome, Outcome::Failed { .. });
        match std::fs::File::open(&path) {
            Err(error) if failed && error.kind() == std::io::ErrorKind::NotFound => None,
            // No fault of what is in the file, and perhaps over soon: no file has such a stamp, so it is tried again.
            Err(_) if failed => {
                let again =
                    Job { path: job.path.clone(), stamp: Stamp { inode: 0, ..job.stamp }, hash: [0; 32] };
                Some(self.cut(&again, document))
            }
            _ => Some(self.cut(job, document)),
        }
    }

    /// Opens an encrypted file, or what is encrypted in it, by a password. The text stays in the library; the password is
    /// kept in memory, for when the file changes, and nowhere else.
    pub fn unlock(&self, document: DocumentId, password: &Password) -> Result<(), Error> {
        let mut record = self.document(document)?;
        while let Some(container) = record.container {
            record = self.document(container)?;
        }
        let stamp = Stamp { size: record.size, modified_ns: record.modified_ns, inode: record.inode };
        let job = Job { path: record.path, stamp, hash: record.hash };
        let path = carrel_ingest::path_from_stored(&job.path);
        let unlocked = self.workers.unlock(&path, password);
        let document = unlocked.ok_or_else(|| Error::WrongPassword(job.path.clone()))?;
        let read = [self.cut(&job, document)];
        self.index.put_many(&batch::readings(&read))?;
        self.publish()
    }

    fn cut(&self, job: &Job, document: Document) -> ReadFile {
        ReadFile::new(job, document, |document| {
            let chunks =
                carrel_ingest::chunk(document, &self.config.chunks, &|text| self.embedder.count_tokens(text));
            let text = |chunk| carrel_ingest::embedding_text(&document.title, chunk, &document.text);
            let texts = chunks.iter().map(text).collect();
            (chunks, texts)
        })
    }

    /// Makes vectors for up to `limit` chunks that have none, and commits them. Gives the number made, 0 when
    /// every chunk has its vector.
    ///
    /// Waits between small batches while a question is being answered.
    pub fn embed_pending(&self, limit: usize) -> Result<usize, Error> {
        let mut pending: Vec<(ChunkId, String)> = self.index.pending_vectors(limit)?;
        // Texts of a batch are padded to its longest.
        pending.sort_by_key(|(_, text)| text.len());
        let mut vectors = Vec::with_capacity(pending.len());
        for batch in pending.chunks(embed::BATCH) {
            self.gate.wait_until_quiet();
            if self.is_stopping() {
                break;
            }
            let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
            let made = self.embedder.passages(&texts)?;
            vectors.extend(batch.iter().map(|(chunk, _)| *chunk).zip(made));
        }
        self.index.put_vectors(&vectors)?;
        Ok(vectors.len())
    }

    /// Makes everything committed so far visible in search.
    pub fn publish(&self) -> Result<(), Error> {
        self.index.publish()?;
        // What reading has freed since the last time.
        heap::give_back();
        self.activity.changed();
        Ok(())
    }
}

// The second straight line: question -> query vector + terms -> Passages -> prompt -> tokens -> Answer.
impl Library {
    /// Answers a question from the documents, telling `sink` of each step: first the passages, before any model
    /// has written a word, then text and checked claims as they come. Breaking from `sink` ends the answer early.
    pub fn ask(
        &self,
        request: &AskRequest,
        sink: &mut dyn FnMut(AskEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Answered, Error> {
        let _quiet = self.gate.enter();
        let began = Instant::now();
        let history = self.history(request.conversation.as_deref())?;
        let asked_for = self.filter(request)?;
        let standalone = self.standalone_question(&history, &request.question, sink)?;
        let question = standalone.as_deref().unwrap_or(request.question.trim());
        let question = carrel_generate::as_question(question);
        let (asked_of, filter) = match request.pinned.is_empty() {
            true => self.meant(&question, &asked_for)?,
            false => (carrel_generate::without_manner(&question).into(), asked_for.clone()),
        };
        let passages = self.retrieve(&asked_of, &filter, &request.pinned)?;
        let coverage = self.index.coverage(&filter)?;
        let heard = sink(AskEvent::Passages { passages: &passages, coverage: &coverage });
        let generator = match heard {
            ControlFlow::Continue(()) => self.loaded_generator(sink)?,
            ControlFlow::Break(()) => return Err(Error::Cancelled),
        };
        let answer_request = AnswerRequest {
            question: &question,
            asked: &asked_of,
            history: &history,
            passages: &passages,
            coverage,
            holdings: &Asked {
                library: self,
                question: &asked_of,
                filter: &filter,
                all: &asked_for,
                pinned: &request.pinned,
            },
            config: &self.config.answers,
        };
        let mut first_token = None;
        let (mut answer, stats) = carrel_generate::answer(
            &answer_request,
            &*generator,
            &*self.embedder,
            &mut |event| match event {
                Event::Delta(text) => {
                    // An empty one only asks whether anybody still listens.
                    if !text.is_empty() {
                        first_token.get_or_insert_with(|| began.elapsed().as_secs_f64());
                    }
                    sink(AskEvent::Delta(text))
                }
                Event::Claim(claim) => sink(AskEvent::Claim(claim)),
                Event::Note(note) => sink(AskEvent::Note(note)),
                Event::Visited(visited) => sink(AskEvent::Visited(visited)),
                Event::Rewritten(question) => sink(AskEvent::Rewritten(question)),
            },
        )?;
        if filter.documents != asked_for.documents && !stats.is_of_whole_documents {
            answer.notes.push(self.only_searched(&filter.documents)?);
        }
        let mut answered = Answered {
            question: request.question.clone(),
            standalone: standalone.clone(),
            answer,
            conversation: None,
            model: generator.id().to_owned(),
            seconds_to_first_token: first_token,
            tokens_per_second: tokens_per_second(&stats),
            grounds: stats.grounds,
            is_of_whole_documents: stats.is_of_whole_documents,
        };
        if request.remember {
            answered.conversation = Some(self.remember(request, &answered)?);
            audit::record(&self.index, &answered)?;
        }
        Ok(answered)
    }

    /// How passages for a question are ranked best.
    pub fn ranking(&self, question: &str) -> Ranking {
        embed::ranking(self.embedder(), question)
    }

    /// What a question asks, without how it wants to be answered, and a filter for the documents that it names by their parties
    /// or their subject. The words of the name would lead to the places that repeat it, and the rest to other documents.
    pub fn meant<'q>(&self, question: &'q str, filter: &Filter) -> Result<(Cow<'q, str>, Filter), Error> {
        let question = carrel_generate::without_manner(question);
        if let Some(setting) = carrel_generate::setting(question) {
            let documents = self.index.meant(setting.document, filter)?;
            if !documents.is_empty() {
                return Ok((setting.asked, Filter { documents, ..filter.clone() }));
            }
        }
        Ok((question.into(), filter.clone()))
    }

    fn only_searched(&self, documents: &[DocumentId]) -> Result<String, Error> {
        let mut names = Vec::new();
        for id in documents {
            let path = self.document(*id)?.path;
            names.push(path.rsplit('/').next().unwrap_or(&path).to_owned());
        }
        Ok(format!("Only what the question names was searched: {}.", names.join(", ")))
    }

    /// The passages that bear on `question`, best first: those of pinned documents ahead of all others.
    fn retrieve(
        &self,
        question: &str,
        filter: &Filter,
        pinned: &[DocumentId],
    ) -> Result<Vec<Passage>, Error> {
        let query = self.query(question, filter)?;
        let mut passages = Vec::new();
        if !pinned.is_empty() {
            let filter = Filter { documents: pinned.to_vec(), ..filter.clone() };
            passages = self.find(&Query { filter, limit: RETRIEVED_PINNED, ..query.clone() })?;
        }
        for passage in self.find(&query)? {
            if passages.iter().all(|other| other.chunk != passage.chunk) {
                passages.push(passage);
            }
        }
        // What a document is, between whom and since when stands where it begins, in words that no question has.
        let at = if carrel_generate::asks_for_its_day(question) { 0 } else { OPENING };
        if let [named] = filter.documents[..]
            && let Some(opening) = self.index.opening(named)?
            && passages.iter().take(at + 1).all(|other| other.chunk != opening.chunk)
        {
            passages.retain(|other| other.chunk != opening.chunk);
            passages.insert(at.min(passages.len()), opening);
        }
        Ok(passages)
    }

    /// The passages of spreadsheets that bear on `question`, best first; of the pinned ones where any are.
    fn sheets(&self, question: &str, filter: &Filter, pinned: &[DocumentId]) -> Result<Vec<Passage>, Error> {
        let mut filter = Filter { types: SHEETS.map(str::to_owned).to_vec(), ..filter.clone() };
        if !pinned.is_empty() {
            filter.documents = pinned.to_vec();
        }
        let query = Query {
            limit: RETRIEVED_SHEETS,
            per_document: Some(RETRIEVED_PER_SHEET),
            ..self.query(question, &filter)?
        };
        Ok(self.index.search(&query)?)
    }

    fn query(&self, question: &str, filter: &Filter) -> Result<Query, Error> {
        Ok(Query {
            text: question.to_owned(),
            vector: Some(self.embedder.query(question)?),
            filter: filter.clone(),
            limit: RETRIEVED,
            ranking: self.ranking(question),
            per_document: Some(match filter.documents.is_empty() {
                true => RETRIEVED_PER_DOCUMENT,
                false => RETRIEVED,
            }),
            collapse_duplicates: true,
            strict_phrases: false,
        })
    }
}

/// What a question may be answered from.
struct Asked<'a> {
    library: &'a Library,
    question: &'a str,
    filter: &'a Filter,
    /// As it was asked for, whatever documents the question names.
    all: &'a Filter,
    pinned: &'a [DocumentId],
}

impl Holdings for Asked<'_> {
    fn read(&self, document: DocumentId, query: Option<&str>) -> Result<Vec<Passage>, SeamError> {
        self.library.passages_of(document, query)
    }

    fn opening(&self, document: DocumentId) -> Result<Option<Passage>, SeamError> {
        let opening = self.library.index.opening(document);
        opening.map_err(|error| SeamError::caused_by("could not read the document", error))
    }

    fn sheets(&self) -> Result<Vec<Passage>, SeamError> {
        let sheets = self.library.sheets(self.question, self.filter, self.pinned);
        sheets.map_err(|error| SeamError::caused_by("could not look for spreadsheets", error))
    }

    fn documents(&self) -> Result<Vec<Source>, SeamError> {
        let all = match self.pinned {
            [] => self.all.clone(),
            pinned => Filter { documents: pinned.to_vec(), ..self.all.clone() },
        };
        match self.library.sources(&all) {
            Err(Error::NoText(_)) => Ok(Vec::new()),
            found => found.map_err(|error| SeamError::caused_by("could not list the documents", error)),
        }
    }

    fn meant(&self, name: &str) -> Result<Vec<Source>, SeamError> {
        let meant = self.library.index.meant(name, self.all);
        let meant = meant.map_err(|error| SeamError::caused_by("could not look for the document", error))?;
        let documents = self.documents()?;
        Ok(documents.into_iter().filter(|source| meant.contains(&source.document)).collect())
    }
}

// Looking things up.
impl Library {
    /// What the index finds, in the order of the reranker where there is one.
    pub fn find(&self, query: &Query) -> Result<Vec<Passage>, Error> {
        let Some(reranker) = &self.reranker else { return Ok(self.index.search(query)?) };
        let mut found = self.index.search(&Query { limit: query.limit.max(RERANKED), ..query.clone() })?;
        let question = parse_query(&query.text).words;
        let rest = found.split_off(found.len().min(RERANKED));
        let texts: Vec<&str> = found.iter().map(|passage| passage.text.as_str()).collect();
        let mut scored: Vec<(f32, Passage)> =
            reranker.scores(&question, &texts)?.into_iter().zip(found).collect();
        // What is judged alike stays in its order.
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(scored.into_iter().map(|(_, passage)| passage).chain(rest).take(query.limit).collect())
    }

    /// The passages that best match a query, which may contain `"exact phrases"`, `-word`, `file:`, `type:`,
    /// `after:` and `before:`.
    pub fn search(&self, request: &SearchRequest) -> Result<Vec<Passage>, Error> {
        let _quiet = self.gate.enter();
        let words = parse_query(&request.query).words;
        let ranking = match request.ranking {
            Ranking::Hybrid => self.ranking(&words),
            asked => asked,
        };
        let vector = match ranking {
            Ranking::Keywords => None,
            Ranking::Hybrid | Ranking::Vectors => Some(self.embedder.query(&words)?),
        };
        let folders = self.prefixes(&request.folders, &request.paths)?;
        self.find(&Query {
            text: request.query.clone(),
            vector,
            filter: Filter { folders, ..Filter::default() },
            limit: request.limit,
            ranking,
            per_document: None,
            collapse_duplicates: true,
            strict_phrases: true,
        })
    }

    /// The ledger: every file with its outcome, members of containers after their container.
    pub fn files(&self, folder: Option<FolderId>) -> Result<Vec<FileRecord>, Error> {
        let mut files = self.index.files()?;
        if let Some(folder) = folder {
            let prefixes = self.prefixes(&[folder], &[])?;
            files.retain(|file| prefixes.iter().any(|prefix| is_within(&file.path, prefix)));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// How much of what `filter` names can be searched.
    pub fn coverage(&self, filter: &Filter) -> Result<Coverage, Error> {
        Ok(self.index.coverage(filter)?)
    }

    /// What the ledger says of one document.
    pub fn document(&self, id: DocumentId) -> Result<FileRecord, Error> {
        Ok(self.index.document(id)?.record)
    }

    /// A span of a document with about two thousand characters on each side of it.
    pub fn document_text(&self, id: DocumentId, start: usize, end: usize) -> Result<DocumentText, Error> {
        let stored = self.index.document(id)?;
        Ok(DocumentText::around(&stored, start, end, SURROUNDINGS))
    }

    fn filter(&self, request: &AskRequest) -> Result<Filter, Error> {
        Ok(Filter {
            folders: self.prefixes(&request.folders, &request.paths)?,
            exclude: request.excluded.clone(),
            ..Filter::default()
        })
    }

    /// Path prefixes of the named folders, and the given ones.
    fn prefixes(&self, folders: &[FolderId], paths: &[String]) -> Result<Vec<String>, Error> {
        let mut prefixes = paths.to_vec();
        if !folders.is_empty() {
            let known = self.index.folders()?;
            for wanted in folders {
                let folder = known.iter().find(|folder| folder.id == *wanted);
                prefixes.push(folder.ok_or(Error::NoSuchFolder)?.path.clone());
            }
        }
        Ok(prefixes)
    }
}

fn file_stamp(path: &str, stamp: &Stamp, hash: [u8; 32]) -> FileStamp {
    FileStamp {
        path: path.to_owned(),
        size: stamp.size,
        modified_ns: stamp.modified_ns,
        inode: stamp.inode,
        hash,
    }
}

/// Whether `path` is `folder` or lies inside it.
fn is_within(path: &str, folder: &str) -> bool {
    Path::new(path).starts_with(folder)
}

fn tokens_per_second(stats: &Stats) -> Option<f64> {
    (stats.output_tokens > 1 && stats.decode_seconds > 0.0)
        .then(|| stats.output_tokens as f64 / stats.decode_seconds)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(8 << 20)
        .spawn(work)
        .expect("the system gives a thread")
}

/// Locks, also after a panic elsewhere: what is guarded here is replaced whole, never left half written.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
