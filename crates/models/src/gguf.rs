//! GGUF files, read where they lie.
//!
//! A model file may come from anywhere, so its head is read by a parser that is total: whatever the bytes
//! are, it ends in a value or a typed error, it never reads outside the file, and it never allocates more
//! than a small multiple of the bytes it has read. Strings and arrays are therefore kept as places in the
//! mapped file and decoded when somebody asks.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little endian.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::Error;

mod header;
mod kind;
#[cfg(test)]
pub(crate) mod testing;

pub use header::HeaderError;
use header::{Array, Header, Scalar, Value};
pub use kind::GgmlType;

/// One tensor of a file. Its bytes are `gguf.data(&info)`; they lie inside the file and are exactly as many
/// as type and dimensions ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    pub name: String,
    /// Sizes as the file has them: `dims[0]` is the length of a contiguous row. One to four, none is 0.
    pub dims: Vec<usize>,
    pub ggml_type: GgmlType,
    /// Where the data lies in the file.
    pub range: Range<usize>,
}

impl TensorInfo {
    /// Length of a row in elements.
    pub fn columns(&self) -> usize {
        self.dims[0]
    }

    /// Number of rows: the product of all sizes but the first.
    pub fn rows(&self) -> usize {
        self.dims[1..].iter().product()
    }

    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }
}

/// A GGUF file whose head has been checked. The data is mapped, not read.
///
/// The file must not be changed while this lives: blobs of the store are read-only and replaced whole.
pub struct Gguf {
    path: PathBuf,
    bytes: Bytes,
    header: Header,
    by_name: HashMap<String, usize>,
}

enum Bytes {
    Mapped(Mmap),
    #[cfg(test)]
    Owned(Vec<u8>),
}

impl Bytes {
    #[cfg(unix)]
    fn mapped(&self) -> Option<&Mmap> {
        match self {
            Bytes::Mapped(map) => Some(map),
            #[cfg(test)]
            Bytes::Owned(_) => None,
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            #[cfg(test)]
            Bytes::Owned(bytes) => bytes,
        }
    }
}

/// Prints the path and the counts.
impl std::fmt::Debug for Gguf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gguf")
            .field("path", &self.path)
            .field("tensors", &self.header.tensors.len())
            .finish_non_exhaustive()
    }
}

impl Gguf {
    /// Maps a file and checks its head.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened, [`Error::Header`] where it is not a whole GGUF file.
    pub fn open(path: &Path) -> Result<Gguf, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        // SAFETY: the map is only read. Another process that cuts the file short while it is mapped could
        // end this one with SIGBUS; that is why the store's blobs are read-only and replaced by renaming.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
        Gguf::new(path, Bytes::Mapped(map))
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Gguf, Error> {
        Gguf::new(Path::new("memory"), Bytes::Owned(bytes))
    }

    fn new(path: &Path, bytes: Bytes) -> Result<Gguf, Error> {
        let header = header::parse(bytes.as_slice())
            .map_err(|source| Error::Header { path: path.to_owned(), source })?;
        let by_name = header.tensors.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        Ok(Gguf { path: path.to_owned(), bytes, header, by_name })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the whole file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.bytes.as_slice().len() as u64
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.header.tensors
    }

    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.by_name.get(name).map(|&index| &self.header.tensors[index])
    }

    /// Like [`Gguf::tensor`], for one that the model cannot do without.
    pub fn require(&self, name: &str) -> Result<&TensorInfo, Error> {
        self.tensor(name).ok_or_else(|| Error::MissingTensor { name: name.to_owned() })
    }

    /// The bytes of a tensor of this file.
    pub fn data(&self, tensor: &TensorInfo) -> &[u8] {
        &self.bytes.as_slice()[tensor.range.clone()]
    }

    /// Some bytes of the file.
    pub(crate) fn slice(&self, range: Range<usize>) -> &[u8] {
        &self.bytes.as_slice()[range]
    }

    /// Tells the system that these bytes of the file will not be read again soon, so that they no longer count
    /// as memory of this process. Reading them again is possible.
    pub(crate) fn give_back(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Some(map) = self.bytes.mapped() {
            // SAFETY: pages of a read-only map of a file are read from it again when they are touched.
            let advised = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
            };
            // Only memory use depends on it.
            let _ = advised;
        }
        #[cfg(not(unix))]
        let _ = range;
    }

    /// `general.architecture`.
    pub fn architecture(&self) -> Result<&str, Error> {
        self.require_string("general.architecture")
    }

    /// The key of a setting of this architecture: `key("block_count")` is `llama.block_count`.
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture().unwrap_or("unknown"))
    }

    pub fn has(&self, key: &str) -> bool {
        self.header.metadata.contains_key(key)
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.header.metadata.keys().map(String::as_str)
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.header.metadata.get(key)
    }

    fn scalar(&self, key: &str) -> Option<Scalar> {
        match self.value(key)? {
            Value::Scalar(scalar) => Some(*scalar),
            _ => None,
        }
    }

    /// A string; `None` where the key is absent or something else.
    pub fn string(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            // Checked to be UTF-8 when the head was read.
            Value::String(range) => std::str::from_utf8(&self.bytes.as_slice()[range.clone()]).ok(),
            _ => None,
        }
    }

    /// An integer of any width that is not negative; `None` where the key is absent or something else.
    pub fn u64(&self, key: &str) -> Option<u64> {
        self.scalar(key)?.as_u64()
    }

    /// Like [`Gguf::u64`], `None` also where it does not fit.
    pub fn u32(&self, key: &str) -> Option<u32> {
        self.u64(key)?.try_into().ok()
    }

    /// Like [`Gguf::u64`], `None` also where it does not fit.
    pub fn usize(&self, key: &str) -> Option<usize> {
        self.u64(key)?.try_into().ok()
    }

    /// A number of any kind as a float.
    pub fn f32(&self, key: &str) -> Option<f32> {
        self.scalar(key)?.as_f64().map(|value| value as f32)
    }

    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.scalar(key)? {
            Scalar::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub fn require_string(&self, key: &str) -> Result<&str, Error> {
        self.string(key).ok_or_else(|| Error::MissingKey { key: key.to_owned() })
    }

    pub fn require_usize(&self, key: &str) -> Result<usize, Error> {
        self.usize(key).ok_or_else(|| Error::MissingKey { key: key.to_owned() })
    }

    pub fn require_f32(&self, key: &str) -> Result<f32, Error> {
        self.f32(key).ok_or_else(|| Error::MissingKey { key: key.to_owned() })
    }

    fn array(&self, key: &str) -> Option<&Array> {
        match self.value(key)? {
            Value::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Number of elements of an array.
    pub fn array_len(&self, key: &str) -> Option<usize> {
        self.array(key).map(|array| array.len)
    }

    /// An array of strings, pointing into the file; `None` where the key is absent or something else.
    ///
    /// # Errors
    /// [`Error::BadValue`] where one of them is not UTF-8.
    pub fn strings(&self, key: &str) -> Result<Option<Vec<&str>>, Error> {
        let Some(array) = self.array(key).filter(|array| array.is_strings()) else { return Ok(None) };
        let strings: Result<Vec<_>, _> =
            array.strings(self.bytes.as_slice()).map(std::str::from_utf8).collect();
        strings
            .map(Some)
            .map_err(|_| Error::BadValue { key: key.to_owned(), reason: "a string is not UTF-8".to_owned() })
    }

    /// An array of numbers (or booleans) of any width; `None` where the key is absent or something else.
    pub fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        let array = self.array(key).filter(|array| !array.is_strings())?;
        array.scalars(self.bytes.as_slice()).map(Scalar::as_f64).collect()
    }

    /// An array of numbers as `f32`.
    pub fn f32s(&self, key: &str) -> Option<Vec<f32>> {
        Some(self.numbers(key)?.into_iter().map(|value| value as f32).collect())
    }

    /// An array of integers that are not negative.
    pub fn u32s(&self, key: &str) -> Option<Vec<u32>> {
        let array = self.array(key).filter(|array| !array.is_strings())?;
        array.scalars(self.bytes.as_slice()).map(|scalar| scalar.as_u64()?.try_into().ok()).collect()
    }

    /// An array of bytes (a precompiled character map).
    pub fn bytes(&self, key: &str) -> Option<&[u8]> {
        let array = self.array(key)?;
        array.is_bytes().then(|| &self.bytes.as_slice()[array.range.clone()])
    }

    /// Number of weights in all tensors.
    pub fn parameters(&self) -> u64 {
        self.header.tensors.iter().map(|tensor| tensor.elements() as u64).sum()
    }
}

#[cfg(test)]
mod tests;
