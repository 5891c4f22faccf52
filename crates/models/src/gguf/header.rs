//! The total parser of a file's head.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::{GgmlType, TensorInfo};

/// Limits that no real model comes near, so that a small hostile file cannot ask for much.
const MAX_METADATA: u64 = 1 << 14;
const MAX_TENSORS: u64 = 1 << 16;
const MAX_KEY_BYTES: usize = 1 << 16;
const MAX_ALIGNMENT: u64 = 1 << 20;

/// Why the head of a file was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    #[error("it does not begin with `GGUF`")]
    Magic,
    #[error("GGUF version {0} is not supported, only 2 and 3")]
    Version(u32),
    #[error("it is stored in big-endian order")]
    BigEndian,
    #[error("it ends inside its head, at byte {at}")]
    HeadCut { at: usize },
    #[error("it ends before its data: {needed} bytes are needed, {present} are there")]
    DataCut { needed: u64, present: u64 },
    #[error("it claims {count} {what}")]
    TooMany { what: &'static str, count: u64 },
    #[error("it has a key or name that is not UTF-8, empty or too long, at byte {at}")]
    BadKey { at: usize },
    #[error("it has `{0}` twice")]
    Duplicate(String),
    #[error("the value of `{key}` is not UTF-8")]
    NotText { key: String },
    #[error("the value of `{key}` is of unknown type {kind}")]
    ValueType { key: String, kind: u32 },
    #[error("its alignment of {0} is no power of two, or too large")]
    Alignment(u64),
    #[error("tensor `{name}` is of unknown type {kind}")]
    TensorType { name: String, kind: u32 },
    #[error("tensor `{name}` has a size that cannot be")]
    TensorSize { name: String },
    #[error("tensor `{name}` does not begin at a multiple of the alignment")]
    TensorOffset { name: String },
}

/// A number or boolean of the metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

impl Scalar {
    pub(super) fn as_u64(self) -> Option<u64> {
        match self {
            Scalar::Unsigned(value) => Some(value),
            Scalar::Signed(value) => value.try_into().ok(),
            Scalar::Float(_) | Scalar::Bool(_) => None,
        }
    }

    pub(super) fn as_f64(self) -> Option<f64> {
        match self {
            Scalar::Unsigned(value) => Some(value as f64),
            Scalar::Signed(value) => Some(value as f64),
            Scalar::Float(value) => Some(value),
            Scalar::Bool(value) => Some(f64::from(u8::from(value))),
        }
    }
}

/// A value of the metadata; text and arrays are places in the file.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    String(Range<usize>),
    Array(Array),
}

/// An array whose elements have been checked to lie inside the file.
#[derive(Clone, Debug)]
pub(super) struct Array {
    kind: ValueKind,
    pub(super) len: usize,
    pub(super) range: Range<usize>,
}

impl Array {
    pub(super) fn is_strings(&self) -> bool {
        self.kind == ValueKind::String
    }

    pub(super) fn is_bytes(&self) -> bool {
        matches!(self.kind, ValueKind::U8 | ValueKind::I8)
    }

    /// The elements of an array of strings.
    pub(super) fn strings<'a>(&self, file: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut cursor = Cursor { bytes: &file[..self.range.end], at: self.range.start };
        (0..self.len).map_while(move |_| {
            let range = cursor.string().ok()?;
            Some(&cursor.bytes[range])
        })
    }

    /// The elements of an array of numbers.
    pub(super) fn scalars<'a>(&self, file: &'a [u8]) -> impl Iterator<Item = Scalar> + use<'a> {
        let kind = self.kind;
        let mut cursor = Cursor { bytes: &file[..self.range.end], at: self.range.start };
        (0..self.len).map_while(move |_| cursor.scalar(kind).ok().flatten())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueKind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl ValueKind {
    fn from_id(id: u32) -> Option<ValueKind> {
        use ValueKind::*;
        [U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64].get(id as usize).copied()
    }

    /// Bytes of one element; `None` for those of no fixed size.
    fn bytes(self) -> Option<usize> {
        match self {
            ValueKind::U8 | ValueKind::I8 | ValueKind::Bool => Some(1),
            ValueKind::U16 | ValueKind::I16 => Some(2),
            ValueKind::U32 | ValueKind::I32 | ValueKind::F32 => Some(4),
            ValueKind::U64 | ValueKind::I64 | ValueKind::F64 => Some(8),
            ValueKind::String | ValueKind::Array => None,
        }
    }
}

/// A checked head.
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, Value>,
    pub(super) tensors: Vec<TensorInfo>,
}

/// Reads and checks the head of a whole file.
pub(super) fn parse(file: &[u8]) -> Result<Header, HeaderError> {
    let mut cursor = Cursor { bytes: file, at: 0 };
    if cursor.take(4) != Ok(b"GGUF") {
        return Err(HeaderError::Magic);
    }
    match cursor.u32()? {
        2 | 3 => {}
        version if matches!(version.swap_bytes(), 2 | 3) => return Err(HeaderError::BigEndian),
        version => return Err(HeaderError::Version(version)),
    }
    let tensor_count = cursor.count("tensors", MAX_TENSORS)?;
    let metadata_count = cursor.count("settings", MAX_METADATA)?;
    let metadata = parse_metadata(&mut cursor, metadata_count)?;
    let alignment = match metadata.get("general.alignment") {
        Some(Value::Scalar(scalar)) => scalar.as_u64().unwrap_or(0),
        Some(_) => 0,
        None => 32,
    };
    if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT {
        return Err(HeaderError::Alignment(alignment));
    }
    let raw = parse_tensors(&mut cursor, tensor_count)?;
    let data_start = (cursor.at as u64).next_multiple_of(alignment);
    let tensors = raw
        .into_iter()
        .map(|tensor| tensor.place(data_start, alignment, file.len() as u64))
        .collect::<Result<_, _>>()?;
    Ok(Header { metadata, tensors })
}

fn parse_metadata(cursor: &mut Cursor<'_>, count: u64) -> Result<BTreeMap<String, Value>, HeaderError> {
    let mut metadata = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.key()?;
        let value = cursor.value(&key)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(HeaderError::Duplicate(key));
        }
    }
    Ok(metadata)
}

/// A tensor as the directory has it, before its place has been checked.
struct RawTensor {
    name: String,
    dims: Vec<usize>,
    ggml_type: GgmlType,
    bytes: u64,
    offset: u64,
}

fn parse_tensors(cursor: &mut Cursor<'_>, count: u64) -> Result<Vec<RawTensor>, HeaderError> {
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..count {
        let tensor = parse_tensor(cursor)?;
        if !names.insert(tensor.name.clone()) {
            return Err(HeaderError::Duplicate(tensor.name));
        }
        tensors.push(tensor);
    }
    Ok(tensors)
}

fn parse_tensor(cursor: &mut Cursor<'_>) -> Result<RawTensor, HeaderError> {
    let name = cursor.key()?;
    let rank = cursor.u32()?;
    if !(1..=4).contains(&rank) {
        return Err(HeaderError::TensorSize { name });
    }
    let mut dims = Vec::with_capacity(rank as usize);
    for _ in 0..rank {
        match usize::try_from(cursor.u64()?) {
            Ok(size) if size > 0 => dims.push(size),
            _ => return Err(HeaderError::TensorSize { name }),
        }
    }
    let kind = cursor.u32()?;
    let offset = cursor.u64()?;
    let Some(ggml_type) = GgmlType::from_id(kind) else {
        return Err(HeaderError::TensorType { name, kind });
    };
    let Some(bytes) = tensor_bytes(ggml_type, &dims) else {
        return Err(HeaderError::TensorSize { name });
    };
    Ok(RawTensor { name, dims, ggml_type, bytes, offset })
}

/// Bytes of all rows; `None` where that overflows or a row cannot be cut into blocks. Also checks the number of
/// elements, which the blocks of a quantised type make larger than the number of bytes.
fn tensor_bytes(ggml_type: GgmlType, dims: &[usize]) -> Option<u64> {
    let rows = dims[1..].iter().try_fold(1usize, |rows, &size| rows.checked_mul(size))?;
    dims[0].checked_mul(rows).filter(|&elements| elements <= isize::MAX as usize)?;
    Some(ggml_type.row_bytes(dims[0])?.checked_mul(rows)? as u64)
}

impl RawTensor {
    fn place(self, data_start: u64, alignment: u64, file_bytes: u64) -> Result<TensorInfo, HeaderError> {
        if !self.offset.is_multiple_of(alignment) {
            return Err(HeaderError::TensorOffset { name: self.name });
        }
        let place = || {
            let start = data_start.checked_add(self.offset)?;
            Some((start, start.checked_add(self.bytes)?))
        };
        let Some((start, end)) = place() else {
            return Err(HeaderError::TensorOffset { name: self.name });
        };
        if end > file_bytes {
            return Err(HeaderError::DataCut { needed: end, present: file_bytes });
        }
        // Both are at most the length of a slice.
        let range = start as usize..end as usize;
        Ok(TensorInfo { name: self.name, dims: self.dims, ggml_type: self.ggml_type, range })
    }
}

/// A place in the file, moved on only over bytes that are there.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], HeaderError> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(HeaderError::HeadCut { at: self.at })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, HeaderError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, HeaderError> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self, what: &'static str, limit: u64) -> Result<u64, HeaderError> {
        match self.u64()? {
            count if count <= limit => Ok(count),
            count => Err(HeaderError::TooMany { what, count }),
        }
    }

    /// A string's place.
    fn string(&mut self) -> Result<Range<usize>, HeaderError> {
        let length = usize::try_from(self.u64()?).map_err(|_| HeaderError::HeadCut { at: self.at })?;
        let start = self.at;
        self.take(length)?;
        Ok(start..self.at)
    }

    fn key(&mut self) -> Result<String, HeaderError> {
        let at = self.at;
        let range = self.string()?;
        if range.is_empty() || range.len() > MAX_KEY_BYTES {
            return Err(HeaderError::BadKey { at });
        }
        let key = std::str::from_utf8(&self.bytes[range]).map_err(|_| HeaderError::BadKey { at })?;
        Ok(key.to_owned())
    }

    fn kind(&mut self, key: &str) -> Result<ValueKind, HeaderError> {
        let kind = self.u32()?;
        ValueKind::from_id(kind).ok_or_else(|| HeaderError::ValueType { key: key.to_owned(), kind })
    }

    fn value(&mut self, key: &str) -> Result<Value, HeaderError> {
        let kind = self.kind(key)?;
        Ok(match kind {
            ValueKind::String => {
                let range = self.string()?;
                if std::str::from_utf8(&self.bytes[range.clone()]).is_err() {
                    return Err(HeaderError::NotText { key: key.to_owned() });
                }
                Value::String(range)
            }
            ValueKind::Array => Value::Array(self.elements(key)?),
            _ => match self.scalar(kind)? {
                Some(scalar) => Value::Scalar(scalar),
                None => return Err(HeaderError::ValueType { key: key.to_owned(), kind: kind as u32 }),
            },
        })
    }

    /// The place of an array, after a walk over its elements. Arrays of arrays are not in use anywhere.
    fn elements(&mut self, key: &str) -> Result<Array, HeaderError> {
        let kind = self.kind(key)?;
        let count = self.u64()?;
        let cut = HeaderError::HeadCut { at: self.at };
        let Ok(len) = usize::try_from(count) else { return Err(cut) };
        let start = self.at;
        match (kind, kind.bytes()) {
            (_, Some(bytes)) => {
                self.take(len.checked_mul(bytes).ok_or(cut)?)?;
            }
            (ValueKind::String, None) => {
                for _ in 0..len {
                    self.string()?;
                }
            }
            (_, None) => return Err(HeaderError::ValueType { key: key.to_owned(), kind: kind as u32 }),
        }
        Ok(Array { kind, len, range: start..self.at })
    }

    /// A number or boolean; `None` for the kinds that are neither.
    fn scalar(&mut self, kind: ValueKind) -> Result<Option<Scalar>, HeaderError> {
        Ok(Some(match kind {
            ValueKind::U8 => Scalar::Unsigned(self.array::<1>()?[0].into()),
            ValueKind::I8 => Scalar::Signed(i8::from_le_bytes(self.array()?).into()),
            ValueKind::U16 => Scalar::Unsigned(u16::from_le_bytes(self.array()?).into()),
            ValueKind::I16 => Scalar::Signed(i16::from_le_bytes(self.array()?).into()),
            ValueKind::U32 => Scalar::Unsigned(self.u32()?.into()),
            ValueKind::I32 => Scalar::Signed(i32::from_le_bytes(self.array()?).into()),
            ValueKind::F32 => Scalar::Float(f32::from_le_bytes(self.array()?).into()),
            ValueKind::Bool => Scalar::Bool(self.array::<1>()?[0] != 0),
            ValueKind::U64 => Scalar::Unsigned(self.u64()?),
            ValueKind::I64 => Scalar::Signed(i64::from_le_bytes(self.array()?)),
            ValueKind::F64 => Scalar::Float(f64::from_le_bytes(self.array()?)),
            ValueKind::String | ValueKind::Array => return Ok(None),
        }))
    }
}
