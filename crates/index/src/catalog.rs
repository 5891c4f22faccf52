//! The catalog: one SQLite database that is the only truth about a library. A change is one transaction with
//! one sequence number; everything else on disk is derived from here and catches up by those numbers.

pub(crate) mod audit;
pub(crate) mod conversations;
pub(crate) mod delta;
pub(crate) mod documents;
pub(crate) mod folders;
pub(crate) mod passages;
pub(crate) mod text;
pub(crate) mod vectors;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use crate::{Error, Result};

const MIGRATIONS: &[M] = &[M::up(include_str!("catalog/schema.sql"))];

/// One writer and as many readers as ask at once; readers see the last committed state and never wait.
pub(crate) struct Catalog {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// Row of the embedder in use.
    embedder: i64,
}

impl Catalog {
    /// Opens or creates the catalog at `path` and makes the vectors of `embedder` the ones that chunks point at.
    pub(crate) fn open(path: &Path, embedder: &str) -> Result<Catalog> {
        let mut writer = Connection::open(path)?;
        // Only a database without tables can be given these two.
        writer.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        configure(&writer)?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut writer)?;
        let embedder = use_embedder(&mut writer, embedder)?;
        Ok(Catalog {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::new(Vec::new()),
            embedder,
        })
    }

    pub(crate) fn embedder(&self) -> i64 {
        self.embedder
    }

    /// Runs `work` on one consistent state of the catalog.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Transaction) -> Result<T>) -> Result<T> {
        let idle = lock(&self.readers).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = Connection::open_with_flags(
                    &self.path,
                    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
                )?;
                configure(&connection)?;
                connection
            }
        };
        let result = work(&connection.transaction()?);
        lock(&self.readers).push(connection);
        result
    }

    /// Runs `work` in one transaction, which is durable when this returns `Ok` and without effect otherwise.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Transaction) -> Result<T>) -> Result<T> {
        let mut connection = lock(&self.writer);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Number of the last committed change.
    pub(crate) fn sequence(&self) -> Result<i64> {
        self.read(sequence)
    }

    /// Returns freed pages to the file system and empties the write-ahead log, so that no byte of what was deleted
    /// is left in the database's files.
    pub(crate) fn compact(&self) -> Result<()> {
        lock(&self.readers).clear();
        let connection = lock(&self.writer);
        connection.execute_batch("PRAGMA incremental_vacuum")?;
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        match busy {
            0 => Ok(()),
            _ => Err(Error::Catalog("a reader kept the write-ahead log from being emptied".into())),
        }
    }

    /// SQLite's own check of the file and of every reference in it; empty when all is well.
    pub(crate) fn check(&self) -> Result<Vec<String>> {
        self.read(|tx| {
            let mut found: Vec<String> = tx
                .prepare("PRAGMA integrity_check")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            found.retain(|line| line != "ok");
            let dangling = tx.prepare("PRAGMA foreign_key_check")?.query_map([], |_| Ok(()))?.count();
            if dangling > 0 {
                found.push(format!("{dangling} dangling references"));
            }
            Ok(found)
        })
    }
}

fn configure(connection: &Connection) -> Result<()> {
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // Sorting and temporary tables must not leave text in files outside the library.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Points every chunk at the vector that `name` made of its text, where there is one.
fn use_embedder(connection: &mut Connection, name: &str) -> Result<i64> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute("INSERT OR IGNORE INTO embedders (name) VALUES (?1)", [name])?;
    let embedder: i64 = tx.query_row("SELECT id FROM embedders WHERE name = ?1", [name], |row| row.get(0))?;
    if setting(&tx, "embedder")?.as_deref() != Some(name) {
        tx.execute(
            "UPDATE chunks SET vector =
             (SELECT id FROM vectors WHERE vectors.hash = chunks.hash AND embedder = ?1)",
            [embedder],
        )?;
        tx.execute(
            "UPDATE documents SET embedded = (SELECT count(vector) FROM chunks
             WHERE chunks.document = documents.id AND retired IS NULL)",
            [],
        )?;
        tx.execute(
            "INSERT INTO settings (key, value) VALUES ('embedder', ?1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [name],
        )?;
    }
    tx.commit()?;
    Ok(embedder)
}

pub(crate) fn setting(tx: &Transaction, key: &str) -> Result<Option<String>> {
    use rusqlite::OptionalExtension;
    Ok(tx.query_row("SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0)).optional()?)
}

pub(crate) fn sequence(tx: &Transaction) -> Result<i64> {
    Ok(tx.query_row("SELECT sequence FROM state", [], |row| row.get(0))?)
}

/// Numbers the change that is being made.
pub(crate) fn next_sequence(tx: &Transaction) -> Result<i64> {
    Ok(tx
        .prepare_cached("UPDATE state SET sequence = sequence + 1 RETURNING sequence")?
        .query_row([], |row| row.get(0))?)
}

/// A column that holds a number of things or an offset.
pub(crate) fn size(row: &Row, column: usize) -> rusqlite::Result<usize> {
    Ok(usize::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// What SQLite can count to.
pub(crate) fn integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A panic elsewhere cannot leave a connection half used: its transaction was rolled back when it unwound.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
