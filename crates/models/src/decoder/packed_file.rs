//! Packed weights kept on disk, to be mapped instead of packed again.
//!
//! The file is derived from the model's and may be deleted at any time. It begins with a page that says which
//! model it was made of; the matrices follow in the order in which the loader asks for them, each on a page
//! boundary.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::gguf::{GgmlType, Gguf};
use crate::kernels::matrix::{Matrix, packed_bytes};

/// Name and version of the layout.
const MAGIC: &[u8; 16] = b"carrel packed 1\n";
const PAGE: usize = 4096;

/// Where packed matrices go to, or come from.
pub(super) enum Packed {
    /// They stay in memory.
    Memory,
    /// They are written, and not kept.
    Writing(Writer),
    /// They lie in a file; the next one begins here.
    Mapped { map: Arc<Mmap>, at: usize },
}

pub(super) struct Writer {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    at: usize,
    fingerprint: [u8; 32],
}

/// What tells models apart: the head, and some bytes of every tensor.
fn fingerprint(gguf: &Gguf) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(gguf.file_bytes().to_le_bytes());
    for tensor in gguf.tensors() {
        let data = gguf.data(tensor);
        hash.update(tensor.name.as_bytes());
        hash.update(tensor.ggml_type.id().to_le_bytes());
        for start in [0, data.len() / 3, data.len() / 3 * 2] {
            hash.update(&data[start..data.len().min(start + 256)]);
        }
    }
    hash.finalize().into()
}

fn path(directory: &Path, fingerprint: &[u8; 32]) -> PathBuf {
    let name: String = fingerprint[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    directory.join(format!("{name}.packed"))
}

impl Packed {
    /// The matrices of an earlier start, if they are there and whole.
    pub(super) fn open(gguf: &Gguf, directory: &Path) -> Option<Packed> {
        let fingerprint = fingerprint(gguf);
        let file = File::open(path(directory, &fingerprint)).ok()?;
        // SAFETY: the file is only read; it is complete before it gets its name, and is replaced, not changed.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        // Weights are read from end to end for every token, and with small pages the processor looks up one
        // every few blocks. A system that has no huge pages for files says no, and all is as before.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        let head = map.get(..PAGE)?.strip_prefix(MAGIC)?.strip_prefix(&fingerprint)?;
        let (length, _) = head.split_first_chunk::<8>()?;
        let whole = u64::from_le_bytes(*length) == map.len() as u64;
        whole.then(|| Packed::Mapped { map: Arc::new(map), at: PAGE })
    }

    /// A new file.
    pub(super) fn create(gguf: &Gguf, directory: &Path) -> Result<Packed, Error> {
        std::fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
        let fingerprint = fingerprint(gguf);
        let path = path(directory, &fingerprint);
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let file = File::create(&partial).map_err(Error::io("create", &partial))?;
        let mut writer = Writer { path, partial, file: BufWriter::new(file), at: 0, fingerprint };
        writer.put(&[0; PAGE])?;
        Ok(Packed::Writing(writer))
    }

    /// The next matrix: from the file, or packed by `pack`.
    pub(super) fn take(
        &mut self,
        kind: GgmlType,
        rows: usize,
        columns: usize,
        pack: impl FnOnce() -> Matrix,
    ) -> Result<Matrix, Error> {
        match self {
            Packed::Memory => Ok(pack()),
            Packed::Writing(writer) => {
                writer.put(pack().bytes())?;
                Ok(Matrix::empty(kind, rows, columns))
            }
            Packed::Mapped { map, at } => {
                let matrix = Matrix::mapped(kind, rows, columns, map, *at);
                *at += packed_bytes(kind, rows, columns).next_multiple_of(PAGE);
                matrix.ok_or_else(|| Error::BadValue {
                    key: "packed weights".to_owned(),
                    reason: "the file is too short".to_owned(),
                })
            }
        }
    }

    /// Gives a written file its name.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self {
            Packed::Writing(writer) => writer.finish(),
            _ => Ok(()),
        }
    }
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let padding = bytes.len().next_multiple_of(PAGE) - bytes.len();
        self.at += bytes.len() + padding;
        let written = self.file.write_all(bytes).and_then(|()| self.file.write_all(&[0; PAGE][..padding]));
        written.map_err(Error::io("write", &self.partial))
    }

    fn finish(mut self) -> Result<(), Error> {
        let mut head = MAGIC.to_vec();
        head.extend(self.fingerprint);
        head.extend((self.at as u64).to_le_bytes());
        let written = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&head))
            .and_then(|()| self.file.flush())
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| std::fs::rename(&self.partial, &self.path));
        forget(self.file.get_ref());
        written.map_err(Error::io("write", &self.partial))
    }
}

/// Lets the system forget a file that was just written in small pieces, so that it is mapped in large ones.
#[cfg(target_os = "linux")]
fn forget(file: &File) {
    use std::os::fd::AsRawFd;
    // SAFETY: a call on an open file, whose advice may be ignored.
    let _ = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

#[cfg(not(target_os = "linux"))]
fn forget(_file: &File) {}

/// A file that was not finished is of no use.
impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` it has another name and this finds nothing.
        let _ = std::fs::remove_file(&self.partial);
    }
}
