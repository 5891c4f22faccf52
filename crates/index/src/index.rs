//! The index as the rest of Carrel sees it: one catalog, two derived stores, one searchable state.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use carrel_corpus::{ChunkId, Coverage, DocumentId, FolderId, Outcome, Passage};

use crate::catalog::audit::{self, AuditEntry, AuditRecord, AuditReport};
use crate::catalog::{self, Catalog, conversations, delta, documents, folders, lock, passages, vectors};
use crate::filter::{Conditions, Filter};
use crate::keywords::Keywords;
use crate::live::{Live, VectorRows};
use crate::search::{self, Query, Stores};
use crate::vectors::Vectors;
use crate::{
    Conversation, Error, FileRecord, FileStamp, Folder, Integrity, ModelUse, Reading, Result, StoredDocument,
};

/// Where a library is and which embedder makes its vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexConfig {
    pub directory: PathBuf,
    /// [`Embedder::id`](carrel_corpus::Embedder::id): vectors of different ids are never compared.
    pub embedder: String,
    pub dimensions: usize,
}

/// When the derived stores change their ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Number of vectors from which on an approximate index is built; up to it every search compares them all.
    pub exact_up_to: usize,
    /// New vectors are given to LanceDB this many at a time while more are being made.
    pub append_rows: usize,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning { exact_up_to: 400_000, append_rows: 4_096 }
    }
}

/// An open library. Blocking, and safe to share between threads: searches run beside each other and beside changes.
pub struct Index {
    directory: PathBuf,
    tuning: Tuning,
    catalog: Catalog,
    keywords: Keywords,
    vectors: Vectors,
    live: RwLock<Live>,
    /// Held while the derived stores are changed.
    publishing: Mutex<()>,
    /// Held, by its lock, as long as the library is open.
    _lock: File,
}

impl Index {
    /// Opens the library in the directory, or makes one there. The derived stores catch up with the catalog, or are made
    /// again from it when they cannot be opened or do not agree with it; nothing is read or embedded again.
    pub fn open(config: IndexConfig) -> Result<Index> {
        Index::open_with(config, Tuning::default())
    }

    /// [`Index::open`] with other than the usual thresholds.
    pub fn open_with(config: IndexConfig, tuning: Tuning) -> Result<Index> {
        let IndexConfig { directory, embedder, dimensions } = config;
        create_private(&directory)?;
        let lock = lock_directory(&directory)?;
        let catalog = Catalog::open(&directory.join("catalog.sqlite"), &embedder)?;
        let keywords = open_keywords(&directory.join("keywords"), &catalog)?;
        let vectors = open_vectors(&directory.join("vectors"), &embedder, dimensions, &catalog)?;
        let live = Live::empty(keywords.searcher()?, dimensions);
        let index = Index {
            directory,
            tuning,
            catalog,
            keywords,
            vectors,
            live: RwLock::new(live),
            publishing: Mutex::new(()),
            _lock: lock,
        };
        index.publish()?;
        Ok(index)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Number of the last committed change.
    pub fn sequence(&self) -> Result<i64> {
        self.catalog.sequence()
    }

    pub fn folders(&self) -> Result<Vec<Folder>> {
        self.catalog.read(folders::all)
    }

    /// Adds a folder by its path, which should be absolute; one that is there already keeps its id.
    pub fn add_folder(&self, path: &Path) -> Result<FolderId> {
        self.catalog.write(|tx| folders::add(tx, &path.to_string_lossy()))
    }

    /// Removes a folder and erases every document under it that no other folder covers.
    pub fn remove_folder(&self, folder: FolderId) -> Result<()> {
        match self.catalog.write(|tx| folders::remove(tx, folder))? {
            0 => Ok(()),
            _ => self.erase(),
        }
    }

    /// The ledger: every document with its outcome, members included, by path.
    pub fn files(&self) -> Result<Vec<FileRecord>> {
        self.catalog.read(documents::records)
    }

    /// Puts what was read from a file; the first reading is the file itself, the others are its members. One
    /// transaction, durable on return. Until the next [`Index::publish`] searches answer from the former text.
    ///
    /// A chunk whose text to embed is the same as before keeps its id and its vector.
    pub fn put(&self, stamp: &FileStamp, readings: &[Reading]) -> Result<DocumentId> {
        let embedder = self.catalog.embedder();
        self.catalog.write(|tx| documents::put(tx, embedder, stamp, readings))
    }

    /// [`Index::put`] for many files in one transaction, which costs one sync of the disk: all of them or none.
    pub fn put_many(&self, files: &[(FileStamp, Vec<Reading>)]) -> Result<Vec<DocumentId>> {
        let embedder = self.catalog.embedder();
        self.catalog.write(|tx| {
            files.iter().map(|(stamp, readings)| documents::put(tx, embedder, stamp, readings)).collect()
        })
    }

    /// Notes that the file at `from` is now at `to`, where `stamp` describes it. Its text stays as it is.
    pub fn rename(&self, from: &str, to: &str, stamp: &FileStamp) -> Result<()> {
        let stamp = FileStamp { path: to.to_owned(), ..stamp.clone() };
        self.catalog.write(|tx| documents::rename(tx, from, &stamp))
    }

    /// Notes that a file has a new stamp and the same bytes.
    pub fn touch(&self, stamp: &FileStamp) -> Result<()> {
        self.catalog.write(|tx| documents::touch(tx, stamp))
    }

    /// Removes the documents of these files, members included, with the conversations that quote them. They are not
    /// found any more; [`Index::erase`] then makes sure that no byte of them is left in any file.
    pub fn remove(&self, paths: &[String]) -> Result<usize> {
        self.catalog.write(|tx| documents::remove(tx, paths))
    }

    /// Makes every committed change visible to searches. Cheap when there is none.
    pub fn publish(&self) -> Result<()> {
        let _publishing = lock(&self.publishing);
        self.publish_locked(false)
    }

    fn publish_locked(&self, everything: bool) -> Result<()> {
        let (sequence, held) = self.catalog.read(|tx| {
            let sequence = catalog::sequence(tx)?;
            let (seen, is_whole) = (self.live().sequence, self.live().is_whole);
            let append = everything || self.is_time_to_append(tx, sequence)?;
            if seen == sequence && seen > 0 && !append && is_whole != self.vectors.is_indexed() {
                return Ok((sequence, sequence));
            }
            self.keywords.catch_up(tx, sequence)?;
            if append {
                self.append(tx, sequence)?;
            }
            let rows = match self.vectors.is_indexed() {
                true => VectorRows::Since(self.vectors.held()),
                false => VectorRows::All,
            };
            let searcher = self.keywords.searcher()?;
            self.live_mut().advance(tx, sequence, &self.keywords, searcher, rows)?;
            Ok((sequence, sequence.min(self.vectors.held())))
        })?;
        if self.catalog.read(|tx| delta::has_garbage(tx, sequence, held))? {
            self.catalog.write(|tx| delta::purge(tx, sequence, held))?;
        }
        Ok(())
    }

    /// LanceDB makes files of every addition, so it is given vectors in batches, and the rest when all are made. Until then
    /// they are found in memory, and after a crash in the catalog.
    fn is_time_to_append(&self, tx: &rusqlite::Transaction, sequence: i64) -> Result<bool> {
        if self.vectors.held() == sequence {
            return Ok(false);
        }
        let (chunks, embedded) = delta::counts(tx)?;
        Ok(chunks == embedded || vectors::made_since(tx, self.vectors.held())? >= self.tuning.append_rows)
    }

    fn append(&self, tx: &rusqlite::Transaction, sequence: i64) -> Result<()> {
        self.vectors.catch_up(tx, sequence)?;
        let (chunks, embedded) = delta::counts(tx)?;
        let grown = embedded > self.vectors.indexed() + self.vectors.indexed() / 8;
        if embedded > self.tuning.exact_up_to && chunks == embedded && grown {
            self.vectors.index(tx, embedded)?;
        }
        Ok(())
    }

    /// At most `limit` chunks that have no vector yet, oldest first, with the text to embed; equal texts come once.
    pub fn pending_vectors(&self, limit: usize) -> Result<Vec<(ChunkId, String)>> {
        self.catalog.read(|tx| vectors::pending(tx, limit))
    }

    /// Stores vectors, for the chunks given and for all others of the same text. They are searchable after the next
    /// [`Index::publish`].
    pub fn put_vectors(&self, vectors: &[(ChunkId, Vec<f32>)]) -> Result<()> {
        let expected = self.live().matrix.dimensions();
        if let Some((_, vector)) = vectors.iter().find(|(_, vector)| vector.len() != expected) {
            return Err(Error::Dimensions { expected, found: vector.len() });
        }
        let embedder = self.catalog.embedder();
        self.catalog.write(|tx| vectors::put(tx, embedder, vectors))
    }

    /// The best passages for a query, best first.
    pub fn search(&self, query: &Query) -> Result<Vec<Passage>> {
        let stores = Stores { catalog: &self.catalog, keywords: &self.keywords, vectors: &self.vectors };
        // The state is held until the passages are read: publishing, which deletes former texts, waits.
        let live = self.live();
        let candidates = search::candidates(&stores, &live, query)?;
        self.catalog.read(|tx| search::passages(tx, query, candidates))
    }

    /// The documents, of those that `filter` lets through, that a question means when it calls them by `name` (`the
    /// reseller agreement between Alba and Birch`). None where that is not clear.
    pub fn meant(&self, name: &str, filter: &Filter) -> Result<Vec<DocumentId>> {
        let stores = Stores { catalog: &self.catalog, keywords: &self.keywords, vectors: &self.vectors };
        search::meant(&stores, &self.live(), name, filter)
    }

    /// A document with its whole text.
    pub fn document(&self, document: DocumentId) -> Result<StoredDocument> {
        self.catalog.read(|tx| documents::stored(tx, document))
    }

    /// All passages of a document, in order.
    pub fn passages(&self, document: DocumentId) -> Result<Vec<Passage>> {
        self.catalog.read(|tx| passages::of_document(tx, document.0))
    }

    /// The passage that a document begins with; none of one without text.
    pub fn opening(&self, document: DocumentId) -> Result<Option<Passage>> {
        self.catalog.read(|tx| passages::opening(tx, document.0))
    }

    /// The chunk's passage with up to `n` on either side of it, in order; empty when the chunk has gone.
    pub fn neighbours(&self, chunk: ChunkId, n: usize) -> Result<Vec<Passage>> {
        self.catalog.read(|tx| passages::neighbours(tx, chunk.0, n))
    }

    /// The part of the ledger that `filter` lets through, by path.
    pub fn documents(&self, filter: &Filter) -> Result<Vec<FileRecord>> {
        let conditions = Conditions::new(filter, &[]);
        let mut records = self.files()?;
        records.retain(|record| conditions.allow(&filtered(record)));
        Ok(records)
    }

    /// How much of what `filter` lets through a search can see.
    pub fn coverage(&self, filter: &Filter) -> Result<Coverage> {
        let mut coverage = Coverage::default();
        let mut searched_containers = std::collections::HashSet::new();
        let mut files = Vec::new();
        for record in self.documents(filter)? {
            if matches!(record.outcome, Outcome::Ignored { .. }) {
                continue;
            }
            coverage.chunks += record.chunks;
            coverage.embedded += record.embedded;
            if record.outcome != Outcome::Indexed {
                coverage.unread.push((record.path.clone(), record.outcome.to_string()));
            }
            match record.container {
                None => files.push((record.document, record.outcome.is_searchable())),
                Some(container) if record.outcome.is_searchable() => {
                    searched_containers.insert(container);
                }
                Some(_) => {}
            }
        }
        coverage.files = files.len();
        coverage.searched = files
            .iter()
            .filter(|(document, searchable)| *searchable || searched_containers.contains(document))
            .count();
        Ok(coverage)
    }

    /// Makes sure that nothing of what was deleted is left in any file of the library: the stores rewrite themselves
    /// without it. Takes time in proportion to the size of the library.
    pub fn erase(&self) -> Result<()> {
        let _publishing = lock(&self.publishing);
        self.publish_locked(true)?;
        self.catalog.write(vectors::drop_unused)?;
        let searcher = self.keywords.compact()?;
        self.live_mut().replace_searcher(&self.keywords, searcher)?;
        self.keywords.collect_garbage()?;
        self.catalog.read(|tx| self.vectors.compact(tx))?;
        self.publish_locked(false)?;
        self.catalog.compact()
    }

    /// Checks the stores by themselves and against each other; reads every file of the library.
    pub fn integrity(&self) -> Result<Integrity> {
        let _publishing = lock(&self.publishing);
        self.publish_locked(true)?;
        let (chunks, vectors) = self.catalog.read(delta::counts)?;
        let mut problems = self.catalog.check()?;
        problems
            .extend(self.keywords.damaged_files()?.into_iter().map(|file| format!("keyword file `{file}`")));
        let keyword_chunks = self.live().keyword_chunks();
        let stored_vectors = self.vectors.read_all()?;
        if keyword_chunks != chunks {
            problems.push(format!("{chunks} chunks, of which {keyword_chunks} are in the keyword index"));
        }
        if stored_vectors != vectors {
            problems.push(format!("{vectors} vectors, of which {stored_vectors} are in the vector index"));
        }
        Ok(Integrity { problems, chunks, keyword_chunks, vectors, stored_vectors })
    }

    pub fn save_conversation(&self, conversation: &Conversation) -> Result<()> {
        self.catalog.write(|tx| conversations::save(tx, conversation))
    }

    pub fn conversation(&self, id: &str) -> Result<Option<Conversation>> {
        self.catalog.read(|tx| conversations::one(tx, id))
    }

    /// All conversations, last used first, without the documents that each quotes.
    pub fn conversations(&self) -> Result<Vec<Conversation>> {
        self.catalog.read(conversations::all)
    }

    /// Whether there was one to delete.
    pub fn delete_conversation(&self, id: &str) -> Result<bool> {
        self.catalog.write(|tx| conversations::delete(tx, id))
    }

    /// Notes which model has a role from now on.
    pub fn use_model(&self, model: &ModelUse) -> Result<()> {
        self.catalog.write(|tx| conversations::use_model(tx, model))
    }

    pub fn models(&self) -> Result<Vec<ModelUse>> {
        self.catalog.read(conversations::models)
    }

    /// Appends to the audit log; gives the new head of its chain.
    pub fn append_audit(&self, entry: &AuditEntry) -> Result<[u8; 32]> {
        self.catalog.write(|tx| audit::append(tx, entry))
    }

    /// At most `limit` entries from number `from` on; the first is number 1.
    pub fn audit(&self, from: i64, limit: usize) -> Result<Vec<AuditRecord>> {
        self.catalog.read(|tx| audit::entries(tx, from, limit))
    }

    /// Walks the whole chain of the audit log.
    pub fn verify_audit(&self) -> Result<AuditReport> {
        self.catalog.read(audit::verify)
    }

    fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn live_mut(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn filtered(record: &FileRecord) -> delta::FilteredDocument {
    delta::FilteredDocument {
        id: record.document.0,
        path: record.path.clone(),
        media_type: record.media_type.clone(),
        language: String::new(),
        date: record.date.unwrap_or(record.modified_ns / 1_000_000_000),
    }
}

/// Creates the directory, readable by nobody else.
fn create_private(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
            .map_err(Error::file("restrict access to", directory))?;
    }
    Ok(())
}

fn lock_directory(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(Error::file("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { directory: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(Error::file("lock", &path)(error)),
    }
}

/// Opens a derived store and lets it catch up; one that fails is deleted and made again from the catalog.
fn open_derived<S>(
    directory: &Path,
    open: impl Fn() -> Result<S>,
    catch_up: impl Fn(&S) -> Result<bool>,
) -> Result<S> {
    let attempt = || open().and_then(|store| Ok(catch_up(&store)?.then_some(store)));
    match attempt() {
        Ok(Some(store)) => return Ok(store),
        Ok(None) | Err(Error::Keywords(_) | Error::Vectors(_)) => {}
        Err(other) => return Err(other),
    }
    remove(directory)?;
    let store = open()?;
    catch_up(&store)?;
    Ok(store)
}

/// Removes a directory. Threads of a store that was just closed may still be writing into it, and end soon.
fn remove(directory: &Path) -> Result<()> {
    use std::io::ErrorKind::{DirectoryNotEmpty, NotFound};
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match fs::remove_dir_all(directory) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == NotFound && !directory.exists() => return Ok(()),
            Err(error) if matches!(error.kind(), DirectoryNotEmpty | NotFound) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(Error::file("delete", directory)(error)),
        }
    }
}

fn open_keywords(directory: &Path, catalog: &Catalog) -> Result<Keywords> {
    open_derived(
        directory,
        || Keywords::open(directory),
        |keywords| {
            catalog.read(|tx| {
                let sequence = catalog::sequence(tx)?;
                if keywords.held()? > sequence {
                    return Ok(false);
                }
                keywords.catch_up(tx, sequence)?;
                let (chunks, _) = delta::counts(tx)?;
                Ok(keywords.searcher()?.num_docs() == chunks as u64)
            })
        },
    )
}

fn open_vectors(directory: &Path, embedder: &str, dimensions: usize, catalog: &Catalog) -> Result<Vectors> {
    open_derived(
        directory,
        || Vectors::open(directory, embedder, dimensions),
        |vectors| {
            catalog.read(|tx| {
                let sequence = catalog::sequence(tx)?;
                if vectors.held() > sequence {
                    return Ok(false);
                }
                vectors.catch_up(tx, sequence)?;
                let (_, embedded) = delta::counts(tx)?;
                Ok(vectors.rows()? == embedded)
            })
        },
    )
}
