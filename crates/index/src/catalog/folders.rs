//! The folders of a library, and which documents they cover.

use carrel_corpus::FolderId;
use rusqlite::{OptionalExtension, Transaction};

use super::{documents, next_sequence};
use crate::{Error, Folder, Result};

pub(crate) fn all(tx: &Transaction) -> Result<Vec<Folder>> {
    let mut statement = tx.prepare_cached("SELECT id, path FROM folders ORDER BY path")?;
    let folders =
        statement.query_map([], |row| Ok(Folder { id: FolderId(row.get(0)?), path: row.get(1)? }))?;
    Ok(folders.collect::<rusqlite::Result<_>>()?)
}

/// Adds a folder; one that is there already keeps its id.
pub(crate) fn add(tx: &Transaction, path: &str) -> Result<FolderId> {
    tx.execute("INSERT OR IGNORE INTO folders (path) VALUES (?1)", [path])?;
    Ok(FolderId(tx.query_row("SELECT id FROM folders WHERE path = ?1", [path], |row| row.get(0))?))
}

/// Removes a folder and every document under it that no other folder covers. Gives how many documents went.
pub(crate) fn remove(tx: &Transaction, id: FolderId) -> Result<usize> {
    let path: Option<String> =
        tx.query_row("SELECT path FROM folders WHERE id = ?1", [id.0], |row| row.get(0)).optional()?;
    let Some(path) = path else { return Err(Error::Missing { what: "folder" }) };
    tx.execute("DELETE FROM folders WHERE id = ?1", [id.0])?;
    next_sequence(tx)?;
    let others = all(tx)?;
    let files: Vec<String> = tx
        .prepare("SELECT path FROM documents WHERE container IS NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let orphans: Vec<String> = files
        .into_iter()
        .filter(|file| is_under(file, &path) && !others.iter().any(|other| is_under(file, &other.path)))
        .collect();
    documents::remove(tx, &orphans)
}

/// Whether `path` is `folder` itself or lies in it.
pub(crate) fn is_under(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches(['/', '\\']);
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\', '!']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_covers_what_lies_in_it() {
        assert!(is_under("/a/b/c.txt", "/a/b"));
        assert!(is_under("/a/b/c.txt", "/a/b/"));
        assert!(is_under("/a/b.zip!/c.txt", "/a/b.zip"));
        assert!(is_under("/a/b", "/a/b"));
        assert!(is_under("/a", "/"));
        assert!(!is_under("/a/bc.txt", "/a/b"));
    }
}
