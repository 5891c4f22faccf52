//! The vector index: a LanceDB table derived from the catalog, one row a chunk.
//!
//! The catalog's vectors have half precision. Here they are widened: LanceDB clusters half-precision columns number by number,
//! without the processor's vector instructions.
//!
//! LanceDB does not fsync on a local disk. What it wrote is therefore synced here, and only then is the number of
//! the last change that it holds written down beside it, with the names of its files. After a crash whatever is not
//! written down is deleted, and what the catalog has beyond it is replayed.

mod held;
mod probes;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use carrel_corpus::ChunkId;
use futures::TryStreamExt;
use lancedb::index::Index as LanceIndex;
use lancedb::index::vector::IvfSqIndexBuilder;
use lancedb::query::{ExecutableQuery, QueryBase, Select};
use lancedb::table::{CompactionOptions, Duration, OptimizeAction, OptimizeOptions};
use lancedb::{DistanceType, Table};
use rusqlite::Transaction;
use tokio::runtime::Runtime;

use crate::catalog::lock;
use crate::catalog::{delta, passages};
use crate::{Error, Result};
use held::{Held, Synced};
use probes::{NEIGHBOURS, Sample};

const TABLE: &str = "chunks";
/// Rows handed to LanceDB at a time.
const BATCH: usize = 8_192;
/// Of unit vectors, as all embedders make, the nearest have the greatest inner product; partitions are cut better by distance.
const DISTANCE: DistanceType = DistanceType::L2;
/// Candidates are found by scalar-quantised codes; this many times the wanted number is compared exactly.
const REFINE: usize = 2;
/// An index is searched where this part of its partitions, or fewer, are enough.
const WORTHWHILE: usize = 2;
/// Predicates longer than this are split.
const PREDICATE_RANGES: usize = 400;

pub(crate) struct Vectors {
    runtime: Runtime,
    directory: PathBuf,
    table: Table,
    dimensions: usize,
    held: Mutex<Held>,
    synced: Mutex<Synced>,
    /// Whether the table may hold rows that `held` does not know of.
    uncertain: AtomicBool,
}

impl Vectors {
    /// Opens the table in `directory`, or creates one in an empty directory. One that is damaged, or of another
    /// embedder, is an error; it can be deleted and made again from the catalog.
    pub(crate) fn open(directory: &Path, embedder: &str, dimensions: usize) -> Result<Vectors> {
        std::fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("carrel-vectors")
            .enable_all()
            .build()
            .map_err(Error::vectors)?;
        let held = Held::read(directory)?;
        let fresh = held.is_none();
        let held = held.unwrap_or(Held::none(embedder, dimensions));
        if !held.is_on_disk(directory) {
            return Err(Error::vectors("files of it are missing or torn"));
        }
        if held.embedder != embedder || held.dimensions != dimensions {
            return Err(Error::vectors("its vectors were made by another embedder"));
        }
        held.discard_others(directory)?;
        let table = runtime.block_on(open_table(directory, dimensions, fresh)).map_err(Error::vectors)?;
        Ok(Vectors {
            runtime,
            directory: directory.to_owned(),
            table,
            dimensions,
            held: Mutex::new(held),
            synced: Mutex::new(Synced::default()),
            uncertain: AtomicBool::new(true),
        })
    }

    /// Number of the last change that is surely in the table.
    pub(crate) fn held(&self) -> i64 {
        lock(&self.held).sequence
    }

    /// Whether there is an approximate index that is worth searching, so that not every row has to be compared.
    pub(crate) fn is_indexed(&self) -> bool {
        lock(&self.held).probes > 0
    }

    pub(crate) fn rows(&self) -> Result<usize> {
        self.runtime.block_on(self.table.count_rows(None)).map_err(Error::vectors)
    }

    /// Replays what the catalog has that the table has not, up to `sequence`, the state of `tx`.
    pub(crate) fn catch_up(&self, tx: &Transaction, sequence: i64) -> Result<()> {
        let since = self.held();
        let uncertain = self.uncertain.swap(true, Ordering::Relaxed);
        if since == sequence && !uncertain {
            self.uncertain.store(false, Ordering::Relaxed);
            return Ok(());
        }
        if since > 0 || (uncertain && self.rows()? > 0) {
            let mut gone = delta::removed(tx, since)?;
            if uncertain {
                delta::vectors(tx, since, |vector| {
                    gone.push(vector.chunk);
                    Ok(())
                })?;
            }
            self.delete(gone)?;
        }
        let mut batch = Vec::new();
        delta::vectors(tx, since, |vector| {
            batch.push(vector);
            match batch.len() {
                BATCH => self.add(std::mem::take(&mut batch)),
                _ => Ok(()),
            }
        })?;
        self.add(batch)?;
        self.write_down(sequence)?;
        self.uncertain.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn delete(&self, chunks: Vec<i64>) -> Result<()> {
        for predicate in rows::predicates("chunk", chunks, PREDICATE_RANGES) {
            self.runtime.block_on(self.table.delete(&predicate)).map_err(Error::vectors)?;
        }
        Ok(())
    }

    fn add(&self, vectors: Vec<delta::StoredVector>) -> Result<()> {
        let batch = rows::batch(&vectors, self.dimensions).map_err(Error::vectors)?;
        if batch.num_rows() > 0 {
            self.runtime.block_on(self.table.add(batch).execute()).map_err(Error::vectors)?;
        }
        Ok(())
    }

    fn write_down(&self, sequence: i64) -> Result<()> {
        let files = lock(&self.synced).sync(&self.directory)?;
        let mut held = lock(&self.held);
        (held.sequence, held.files) = (sequence, files);
        held.write(&self.directory)
    }

    /// Builds the approximate index when there is none, or takes the rows into it that it lacks, and finds out how many of its
    /// partitions a search has to look into.
    pub(crate) fn index(&self, tx: &Transaction, rows: usize) -> Result<()> {
        let Held { indexed, partitions: former, .. } = *lock(&self.held);
        // Partitions that have grown to twice their size are cut anew.
        let grows = indexed > 0 && partitions(rows) <= 2 * former;
        let partitions = if grows { former } else { partitions(rows) };
        let build = async {
            if grows {
                return self
                    .table
                    .optimize(OptimizeAction::Index(OptimizeOptions::default()))
                    .await
                    .map(drop);
            }
            // Without a graph in each partition: not optimised, that took two minutes to build for 100,000 rows.
            let builder = IvfSqIndexBuilder::default()
                .distance_type(DISTANCE)
                .num_partitions(partitions as u32)
                .sample_rate(64)
                .max_iterations(20);
            self.table.create_index(&["vector"], LanceIndex::IvfSq(builder)).execute().await
        };
        self.runtime.block_on(build).map_err(Error::vectors)?;
        let enough = Sample::of(tx, self.dimensions, rows)?
            .enough(partitions, |vector, probes| self.probe(tx, vector, NEIGHBOURS + 1, probes, None))?;
        // Looking into most of it takes longer than comparing everything in memory.
        let probes = if enough <= (partitions / WORTHWHILE).max(1) { enough } else { 0 };
        let files = lock(&self.synced).sync(&self.directory)?;
        let mut held = lock(&self.held);
        (held.indexed, held.partitions, held.probes, held.files) = (rows, partitions, probes, files);
        held.write(&self.directory)
    }

    /// Rows that were there when the index was last brought up to date.
    pub(crate) fn indexed(&self) -> usize {
        lock(&self.held).indexed
    }

    /// About `limit` of the chunks nearest to `query` by inner product, best first. `documents`, when given, are the
    /// only ones that are looked at, and have `share` of all chunks: the nearest of a tenth lie among ten times as many.
    pub(crate) fn nearest(
        &self,
        tx: &Transaction,
        query: &[f32],
        limit: usize,
        share: f64,
        documents: Option<Vec<i64>>,
    ) -> Result<Vec<(ChunkId, f32)>> {
        let Held { partitions, probes, .. } = *lock(&self.held);
        let probes = match probes {
            0 => partitions.max(1),
            probes => ((probes as f64 / share).ceil() as usize).min(partitions),
        };
        self.probe(tx, query, limit, probes, documents)
    }

    /// The same, in so many partitions.
    fn probe(
        &self,
        tx: &Transaction,
        query: &[f32],
        limit: usize,
        probes: usize,
        documents: Option<Vec<i64>>,
    ) -> Result<Vec<(ChunkId, f32)>> {
        if query.len() != self.dimensions || documents.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let search = async {
            let mut search = self
                .table
                .query()
                .nearest_to(query)?
                .distance_type(DISTANCE)
                .limit(limit.saturating_mul(REFINE))
                .nprobes(probes)?
                .select(Select::columns(&["chunk", "_distance"]));
            if let Some(documents) = documents {
                search = search.only_if(rows::predicates("document", documents, usize::MAX).concat());
            }
            search.execute().await?.try_collect::<Vec<RecordBatch>>().await
        };
        let batches = self.runtime.block_on(search).map_err(Error::vectors)?;
        // From the catalog, which takes half as long as from LanceDB's table.
        let found = passages::similarities(tx, batches.iter().flat_map(rows::chunks), query)?;
        let mut found: Vec<(ChunkId, f32)> =
            found.into_iter().map(|(chunk, s)| (ChunkId(chunk), s)).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(limit);
        Ok(found)
    }

    /// Rewrites the table without deleted rows and deletes every file of its former versions.
    pub(crate) fn compact(&self, tx: &Transaction) -> Result<()> {
        let indexed = self.indexed() > 0;
        let rows = self.rows()?;
        let compaction = async {
            if indexed {
                // The index keeps codes of deleted rows; it is made again from those that are left.
                for index in self.table.list_indices().await? {
                    self.table.drop_index(&index.name).await?;
                }
            }
            let options = CompactionOptions {
                materialize_deletions: true,
                materialize_deletions_threshold: 0.0,
                ..CompactionOptions::default()
            };
            self.table.optimize(OptimizeAction::Compact { options, remap_options: None }).await?;
            self.prune().await
        };
        self.runtime.block_on(compaction).map_err(Error::vectors)?;
        if indexed {
            {
                let mut held = lock(&self.held);
                (held.indexed, held.probes) = (0, 0);
            }
            if rows > 0 {
                self.index(tx, rows)?;
                self.runtime.block_on(self.prune()).map_err(Error::vectors)?;
            }
        }
        self.write_down(self.held())
    }

    async fn prune(&self) -> lancedb::Result<()> {
        let prune = OptimizeAction::Prune {
            older_than: Some(Duration::zero()),
            delete_unverified: Some(true),
            error_if_tagged_old_versions: None,
        };
        self.table.optimize(prune).await.map(drop)
    }

    /// Reads every row; gives how many there are.
    pub(crate) fn read_all(&self) -> Result<usize> {
        let scan = async {
            let mut batches = self.table.query().execute().await?;
            let mut rows = 0;
            while let Some(batch) = batches.try_next().await? {
                rows += batch.num_rows();
            }
            Ok::<_, lancedb::Error>(rows)
        };
        self.runtime.block_on(scan).map_err(Error::vectors)
    }
}

async fn open_table(directory: &Path, dimensions: usize, fresh: bool) -> lancedb::Result<Table> {
    let connection = lancedb::connect(&directory.to_string_lossy()).execute().await?;
    if fresh {
        return connection.create_empty_table(TABLE, rows::schema(dimensions)).execute().await;
    }
    let table = connection.open_table(TABLE).execute().await?;
    if table.schema().await?.as_ref() != rows::schema(dimensions).as_ref() {
        return Err(lancedb::Error::Schema { message: "the table's columns are of another version".into() });
    }
    Ok(table)
}

/// Partitions of about 1,024 rows.
fn partitions(rows: usize) -> usize {
    (rows / 1_024).clamp(1, 4_096)
}
