//! What stands in a zip package or an OLE compound file.

use std::io::{Cursor, Read};

use super::{Kind, find};

/// The kind of a zip package, from its mimetype entry or the parts it has.
pub(super) fn zip(bytes: &[u8]) -> Kind {
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else {
        return damaged_zip(bytes);
    };
    if let Some(mimetype) = mimetype(&mut archive) {
        if mimetype.starts_with("application/epub+zip") {
            return Kind::Epub;
        }
        if let Some(kind) = mimetype.strip_prefix("application/vnd.oasis.opendocument.") {
            let sheets = kind.starts_with("spreadsheet");
            return if sheets { Kind::Sheets } else { Kind::OpenDocument };
        }
    }
    let names: Vec<String> = archive.file_names().flatten().map(|name| name.to_ascii_lowercase()).collect();
    by_parts(names.iter().map(String::as_str))
}

fn by_parts<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Kind {
    let has = |prefix: &str| {
        names.clone().any(|name| name.trim_start_matches('/').replace('\\', "/").starts_with(prefix))
    };
    if has("word/") {
        Kind::Docx
    } else if has("xl/") {
        Kind::Sheets
    } else if has("ppt/") {
        Kind::Pptx
    } else if has("fixeddocseq.fdseq") || has("fixeddocumentsequence.fdseq") || has("documents/1/") {
        Kind::Xps
    } else if has("meta-inf/container.xml") {
        Kind::Epub
    } else {
        Kind::Zip
    }
}

fn mimetype(archive: &mut zip::ZipArchive<Cursor<&[u8]>>) -> Option<String> {
    let mut text = String::new();
    archive.by_name("mimetype").ok()?.take(200).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

/// A package whose directory is lost still names its parts in their local headers.
fn damaged_zip(bytes: &[u8]) -> Kind {
    for (part, kind) in [
        (b"word/".as_slice(), Kind::Docx),
        (b"xl/".as_slice(), Kind::Sheets),
        (b"ppt/".as_slice(), Kind::Pptx),
    ] {
        if find(&bytes[..bytes.len().min(1 << 20)], part).is_some() {
            return kind;
        }
    }
    Kind::Zip
}

/// The kind of a compound file, from the streams it has.
pub(super) fn compound(bytes: &[u8]) -> Kind {
    let Ok(file) = cfb::CompoundFile::open(Cursor::new(bytes)) else {
        return damaged_compound(bytes);
    };
    let has = |path: &str| file.exists(path);
    if has("/EncryptedPackage") || has("/EncryptionInfo") {
        Kind::EncryptedOffice
    } else if has("/WordDocument") {
        Kind::Doc
    } else if has("/Workbook") || has("/Book") || has("/WORKBOOK") || has("/BOOK") {
        Kind::Sheets
    } else if has("/PowerPoint Document") || has("/PP97_DUALSTORAGE") {
        Kind::Ppt
    } else if has("/__properties_version1.0") {
        Kind::OutlookMessage
    } else if has("/Quill") {
        Kind::Publisher
    } else if has("/VisioDocument") {
        Kind::Other("application/vnd.visio".into())
    } else {
        Kind::Other("application/x-ole-storage".into())
    }
}

/// A compound file that cannot be opened strictly: its directory entries name their streams in UTF-16.
fn damaged_compound(bytes: &[u8]) -> Kind {
    let wide = |name: &str| name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (stream, kind) in [
        ("EncryptedPackage", Kind::EncryptedOffice),
        ("WordDocument", Kind::Doc),
        ("Workbook", Kind::Sheets),
        ("PowerPoint Document", Kind::Ppt),
        ("__properties_version1.0", Kind::OutlookMessage),
    ] {
        if find(bytes, &wide(stream)).is_some() {
            return kind;
        }
    }
    Kind::Other("application/x-ole-storage".into())
}
