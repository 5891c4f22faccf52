//! The files embedded in older documents, as OLE objects.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use super::super::{Draft, Source};
use super::{Compound, stream};

/// Streams of a storage that is a document of its own.
const DOCUMENTS: [&str; 5] = ["WordDocument", "Workbook", "Book", "PowerPoint Document", "Quill"];

/// Adds the objects embedded in a compound file as members.
pub(in super::super) fn push_embedded(source: &Source, draft: &mut Draft) {
    let Ok(mut file) = cfb::CompoundFile::open(Cursor::new(source.bytes)) else { return };
    let mut found: Vec<(PathBuf, bool)> = file
        .walk()
        .filter(|entry| {
            entry.path().parent().is_some_and(|parent| parent.parent().is_some()) || is_object(entry.name())
        })
        .filter(|entry| is_object(entry.name()) || DOCUMENTS.contains(&entry.name()))
        .map(|entry| (entry.path().to_owned(), is_object(entry.name())))
        .collect();
    found.dedup_by(|a, b| a.0.parent() == b.0.parent());
    for (path, is_object) in found {
        let content = match is_object {
            true => stream(&mut file, &path.to_string_lossy()).and_then(|bytes| {
                match path.ends_with("\u{1}Ole10Native") {
                    true => native(&bytes),
                    false => Some(("embedded".to_owned(), bytes)),
                }
            }),
            false => path
                .parent()
                .and_then(|storage| storage_file(&mut file, storage))
                .map(|bytes| ("embedded document".to_owned(), bytes)),
        };
        let Some((name, bytes)) = content.filter(|(_, bytes)| !bytes.is_empty()) else { continue };
        if !source.member(draft, &name, &bytes) {
            return;
        }
    }
}

fn is_object(name: &str) -> bool {
    matches!(name, "\u{1}Ole10Native" | "Package" | "CONTENTS")
}

/// A storage of a compound file as a file of its own.
pub(in super::super) fn storage_file(file: &mut Compound, storage: &Path) -> Option<Vec<u8>> {
    let entries: Vec<(PathBuf, bool)> = file
        .walk_storage(storage)
        .ok()?
        .map(|entry| (entry.path().to_owned(), entry.is_stream()))
        .filter(|(path, _)| path != storage)
        .collect();
    let mut inner = cfb::CompoundFile::create(Cursor::new(Vec::new())).ok()?;
    for (path, is_stream) in entries {
        let place = Path::new("/").join(path.strip_prefix(storage).ok()?);
        match is_stream {
            true => {
                let bytes = stream(file, &path.to_string_lossy())?;
                inner.create_stream(&place).ok()?.write_all(&bytes).ok()?;
            }
            false => inner.create_storage(&place).ok()?,
        }
    }
    inner.flush().ok()?;
    Some(inner.into_inner().into_inner())
}

/// The file inside an OLE object, with its name where it has one; `None` where the bytes are no such object.
pub(in super::super) fn unwrap_object(bytes: &[u8]) -> Option<(Option<String>, Vec<u8>)> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).ok()?;
    if let Some(native_stream) = stream(&mut file, "/\u{1}Ole10Native") {
        return native(&native_stream).map(|(name, content)| (Some(name), content));
    }
    ["/Package", "/CONTENTS"].iter().find_map(|path| stream(&mut file, path)).map(|content| (None, content))
}

/// The name and content of a packaged file ([MS-OLEDS] OLENativeStream): its length, then the package.
fn native(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    package(bytes.get(4..)?)
}

/// The name and content of a package of the Object Packager.
pub(in super::super) fn package(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut at = 2;
    let text = |at: &mut usize| {
        let rest = bytes.get(*at..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        *at += end + 1;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    };
    let label = text(&mut at)?;
    text(&mut at)?;
    at += 4;
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    at = at.checked_add(4)?.checked_add(number(at)?)?;
    let size = number(at)?;
    let content = bytes.get(at + 4..)?;
    let name = if label.is_empty() { "embedded".to_owned() } else { label };
    Some((name, content[..size.min(content.len())].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packaged_file_is_unwrapped() {
        let mut object = vec![0, 0, 0, 0, 2, 0];
        object.extend_from_slice(b"note.txt\0C:\\note.txt\0\0\0\x03\0");
        object.extend_from_slice(&3u32.to_le_bytes());
        object.extend_from_slice(b"C:\0");
        object.extend_from_slice(&5u32.to_le_bytes());
        object.extend_from_slice(b"hello rest");
        assert_eq!(native(&object), Some(("note.txt".into(), b"hello".to_vec())));
    }

    #[test]
    fn a_storage_becomes_a_file() {
        let mut outer = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("in memory");
        outer.create_storage("/MBD01").expect("a storage");
        outer.create_stream("/MBD01/Book").expect("a stream").write_all(b"cells").expect("writes to memory");
        let bytes = outer.into_inner().into_inner();
        let mut outer = cfb::CompoundFile::open(Cursor::new(bytes.as_slice())).expect("opens");
        let inner = storage_file(&mut outer, Path::new("/MBD01")).expect("a file");
        let mut inner = cfb::CompoundFile::open(Cursor::new(inner.as_slice())).expect("opens");
        assert_eq!(stream(&mut inner, "/Book").as_deref(), Some(b"cells".as_slice()));
    }
}
