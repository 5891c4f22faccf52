//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::digest::{Hashing, copy};
use crate::{Digest, Error};

/// How an existing file becomes a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// It belongs to another program's store, which never changes it: point at it where it cannot be linked.
    Foreign,
    /// It may be edited by its owner: copy it where it cannot be linked.
    Own,
}

/// Writes a small file beside its place, syncs it and renames it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = beside(path);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io("write", &temporary))?;
    rename(&temporary, path)
}

/// Renames and syncs the directory, so that the new name survives a loss of power.
fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::io("create", to))?;
    sync_directory(to)
}

fn sync_directory(of: &Path) -> Result<(), Error> {
    let directory = of.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|file| file.sync_all()).map_err(Error::io("sync", directory))
}

/// A name in the same directory that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{number}", std::process::id()))
}

/// A blob being written; its name comes from what was written. Dropped unfinished, it leaves nothing.
pub(crate) struct BlobWriter {
    temporary: PathBuf,
    file: Option<Hashing<BufWriter<File>>>,
    bytes: u64,
}

impl BlobWriter {
    pub(crate) fn new(directory: &Path) -> Result<BlobWriter, Error> {
        let temporary = beside(&directory.join("blob"));
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
        let file = file.map_err(Error::io("create", &temporary))?;
        let file = Some(Hashing::new(BufWriter::with_capacity(1 << 20, file)));
        Ok(BlobWriter { temporary, file, bytes: 0 })
    }

    /// Syncs the blob and gives it its name. Where `expected` is given, what was written must have that digest.
    pub(crate) fn finish(
        mut self,
        what: &str,
        expected: Option<Digest>,
        place: impl FnOnce(&Digest) -> PathBuf,
    ) -> Result<(Digest, u64), Error> {
        let Some(hashing) = self.file.take() else { return Err(Error::Cancelled) };
        let (digest, file) = hashing.finish();
        check(what, expected, digest)?;
        let sync = || -> io::Result<()> {
            let file = file.into_inner()?;
            file.set_permissions(Permissions::from_mode(0o444))?;
            file.sync_all()
        };
        sync().map_err(Error::io("write", &self.temporary))?;
        rename(&self.temporary, &place(&digest))?;
        Ok((digest, self.bytes))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let written = file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After a rename there is nothing of this name.
        let _ = fs::remove_file(&self.temporary);
    }
}

pub(crate) fn check(what: &str, expected: Option<Digest>, found: Digest) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != found => Err(Error::Digest {
            what: what.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Makes a file on disk a blob without a copy where that can be: by a hard link, or for a store that never changes
/// its files by a symbolic one. The digest is that of the bytes now behind the blob's name.
pub(crate) fn adopt(
    source: &Path,
    placement: Placement,
    expected: Option<Digest>,
    place: impl Fn(&Digest) -> PathBuf,
) -> Result<(Digest, u64), Error> {
    let source = source.canonicalize().map_err(Error::io("open", source))?;
    let before = fs::metadata(&source).map_err(Error::io("open", &source))?;
    let (digest, bytes) = Digest::of_file(&source)?;
    check(&source.display().to_string(), expected, digest)?;
    let path = place(&digest);
    if fs::metadata(&path).is_ok_and(|present| present.len() == bytes) {
        return Ok((digest, bytes));
    }
    let temporary = beside(&path);
    let unchanged = |after: &fs::Metadata| (after.ino(), after.mtime(), after.mtime_nsec(), after.len());
    let linked = fs::hard_link(&source, &temporary).is_ok()
        && fs::metadata(&temporary).is_ok_and(|after| unchanged(&after) == unchanged(&before));
    if linked {
        rename(&temporary, &path)?;
        return Ok((digest, bytes));
    }
    let _ = fs::remove_file(&temporary);
    if placement == Placement::Foreign && symlink(&source, &temporary).is_ok() {
        rename(&temporary, &path)?;
        return Ok((digest, bytes));
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut writer = BlobWriter::new(directory)?;
    let mut file = File::open(&source).map_err(Error::io("open", &source))?;
    copy(&mut file, &mut writer).map_err(Error::io("copy", &source))?;
    writer.finish(&source.display().to_string(), Some(digest), place)
}

/// Deletes a file or a directory, if it is there. Returns the bytes that its names stood for; a link to a file that
/// has other names frees nothing.
pub(crate) fn remove(path: &Path) -> Result<u64, Error> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(0) };
    if !metadata.is_dir() {
        fs::remove_file(path).map_err(Error::io("remove", path))?;
        return Ok(if metadata.is_file() && metadata.nlink() == 1 { metadata.len() } else { 0 });
    }
    let mut freed = 0;
    for entry in fs::read_dir(path).map_err(Error::io("read", path))? {
        freed += remove(&entry.map_err(Error::io("read", path))?.path())?;
    }
    fs::remove_dir(path).map_err(Error::io("remove", path))?;
    Ok(freed)
}
