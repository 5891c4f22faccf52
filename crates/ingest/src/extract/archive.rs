//! Archives (zip, tar) and compressed files (gzip, zlib, zstd): every member is a document of its own.

use std::io::{Cursor, Read};

use carrel_corpus::Outcome;

use super::{Draft, Reading, Source, locked, safe_name, stem};

/// Most bytes that all members of one archive may unpack to.
const UNPACKED: u64 = 1 << 30;

/// Reads a zip archive. A member that needs a password which is not at hand is named in the outcome.
pub(super) fn read_zip(source: &Source) -> Reading {
    let mut archive = zip::ZipArchive::new(Cursor::new(source.bytes))
        .map_err(|_| Outcome::Failed { reason: "damaged archive".into() })?;
    let mut draft = source.draft();
    let mut room = UNPACKED;
    let (mut encrypted, mut files) = (0usize, 0usize);
    for index in 0..archive.len() {
        let name =
            archive.name_for_index(index).and_then(Result::ok).map_or(String::new(), |name| safe_name(&name));
        if needs_password(&mut archive, index) {
            let Some(bytes) = decrypted(&mut archive, index, source, room) else {
                encrypted += 1;
                draft.lack(format!("{name}: encrypted"));
                continue;
            };
            files += 1;
            match take(source, &mut draft, &name, bytes.as_slice(), &mut room) {
                true => continue,
                false => break,
            }
        }
        let file = match archive.by_index(index) {
            Ok(file) if file.is_dir() => continue,
            Ok(file) => file,
            Err(zip::result::ZipError::UnsupportedArchive(_)) => {
                draft.lack(format!("{name}: unknown compression"));
                continue;
            }
            Err(_) => {
                draft.lack(format!("{name}: damaged"));
                continue;
            }
        };
        files += 1;
        if !take(source, &mut draft, &name, file, &mut room) {
            break;
        }
    }
    match files == 0 && encrypted > 0 {
        true => Err(Outcome::Encrypted),
        false => Ok(draft),
    }
}

fn needs_password(archive: &mut zip::ZipArchive<Cursor<&[u8]>>, index: usize) -> bool {
    let required = zip::result::ZipError::PASSWORD_REQUIRED;
    matches!(archive.by_index(index), Err(zip::result::ZipError::UnsupportedArchive(reason)) if reason == required)
}

/// The member by the first password that opens it: by its checksum, since the format's own test of a password is one
/// byte long.
fn decrypted(
    archive: &mut zip::ZipArchive<Cursor<&[u8]>>,
    index: usize,
    source: &Source,
    room: u64,
) -> Option<Vec<u8>> {
    let limit = source.limits.file_bytes.min(room).saturating_add(1);
    let sealed = place(archive, index);
    source.passwords.iter().find_map(|password| {
        if let Some((header, data)) = &sealed
            && let Some(bytes) =
                locked::open_member(source.bytes, *header, data.clone(), password.text(), limit)
        {
            return Some(bytes);
        }
        let file = archive.by_index_decrypt(index, password.text().as_bytes()).ok()?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).is_ok().then_some(bytes)
    })
}

/// Where the local header of a member begins and where its data stand.
fn place(
    archive: &mut zip::ZipArchive<Cursor<&[u8]>>,
    index: usize,
) -> Option<(usize, std::ops::Range<usize>)> {
    let file = archive.by_index_raw(index).ok()?;
    let start = usize::try_from(file.data_start()?).ok()?;
    let end = start.checked_add(usize::try_from(file.compressed_size()).ok()?)?;
    Some((usize::try_from(file.header_start()).ok()?, start..end))
}

/// Reads a tar archive.
pub(super) fn read_tar(source: &Source) -> Reading {
    let mut draft = source.draft();
    let mut archive = tar::Archive::new(source.bytes);
    let mut room = UNPACKED;
    let entries = archive.entries().map_err(|_| Outcome::Failed { reason: "damaged archive".into() })?;
    for entry in entries {
        let Ok(entry) = entry else {
            draft.lack("the end of the archive: damaged");
            break;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = safe_name(&String::from_utf8_lossy(&entry.path_bytes()));
        if !take(source, &mut draft, &name, entry, &mut room) {
            break;
        }
    }
    Ok(draft)
}

/// Reads a gzip file: its one member, or the archive inside it as if it stood there alone.
pub(super) fn read_gzip(source: &Source) -> Reading {
    inflate(source, flate2::read::MultiGzDecoder::new(source.bytes))
}

/// Reads a zlib stream.
pub(super) fn read_zlib(source: &Source) -> Reading {
    inflate(source, flate2::read::ZlibDecoder::new(source.bytes))
}

/// Reads a file of zstd frames.
pub(super) fn read_zstd(source: &Source) -> Reading {
    match zstd::stream::read::Decoder::new(source.bytes) {
        Ok(stream) => inflate(source, stream),
        Err(_) => Err(Outcome::Failed { reason: "damaged archive".into() }),
    }
}

fn inflate(source: &Source, stream: impl Read) -> Reading {
    let mut draft = source.draft();
    let mut bytes = Vec::new();
    let whole = stream.take(source.limits.file_bytes.min(UNPACKED)).read_to_end(&mut bytes).is_ok();
    if bytes.is_empty() && !whole {
        return Err(Outcome::Failed { reason: "damaged archive".into() });
    }
    if !whole {
        draft.lack("the end of the file: damaged");
    }
    let inner = Source { name: stem(source.name), bytes: &bytes, ..*source };
    if matches!(crate::detect::detect(inner.name, &bytes), crate::detect::Kind::Tar) {
        let mut tar = read_tar(&inner)?;
        if !whole {
            tar.lack("the end of the archive: damaged");
        }
        return Ok(tar);
    }
    source.member(&mut draft, stem(source.name), &bytes);
    Ok(draft)
}

/// Unpacks one member and reads it; returns whether more may follow.
fn take(source: &Source, draft: &mut Draft, name: &str, file: impl Read, room: &mut u64) -> bool {
    let limit = source.limits.file_bytes.min(*room);
    let mut bytes = Vec::new();
    let whole = file.take(limit.saturating_add(1)).read_to_end(&mut bytes).is_ok();
    if bytes.len() as u64 > limit {
        draft.lack(format!("{name}: too large"));
        *room = room.saturating_sub(limit);
        return *room > 0;
    }
    *room -= bytes.len() as u64;
    if !whole {
        draft.lack(format!("{name}: damaged"));
    }
    if bytes.is_empty() && !whole {
        return true;
    }
    source.member(draft, name, &bytes)
}

#[cfg(test)]
mod tests {
    use super::super::office::tests::package;
    use super::super::tests::{read, read_with};
    use crate::Password;
    use std::io::Write;
    use zip::unstable::write::FileOptionsExt;

    #[test]
    fn a_locked_member_is_opened_by_its_password() {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let locked =
            zip::write::SimpleFileOptions::default().with_deprecated_encryption(b"right").expect("ASCII");
        for (name, options) in [("open.txt", zip::write::SimpleFileOptions::default()), ("shut.txt", locked)]
        {
            writer.start_file(name, options).expect("a new member");
            writer.write_all(b"The rent is due.").expect("writes to memory");
        }
        let bytes = writer.finish().expect("closes").into_inner();
        let outcome = |passwords: &[&str]| {
            let passwords: Vec<Password> = passwords.iter().map(|text| Password::new(text)).collect();
            read_with("a.zip", &bytes, &passwords).outcome.to_string()
        };
        assert_eq!(outcome(&[]), "partly read (shut.txt: encrypted)");
        assert_eq!(outcome(&["wrong"]), "partly read (shut.txt: encrypted)");
        assert_eq!(outcome(&["wrong", "right"]), "indexed");
    }

    #[test]
    fn members_are_documents_and_cannot_climb_out() {
        let document = read("a.zip", &package(&[("../x/a.txt", "hello"), ("b.md", "# Hi")]));
        let names: Vec<&str> = document.members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x/a.txt", "b.md"]);
        assert_eq!(document.members[0].1.text, "hello");
        assert_eq!(document.outcome.to_string(), "indexed");
    }

    #[test]
    fn a_tarball_is_one_archive() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_cksum();
        builder.append_data(&mut header, "notes/a.txt", b"hello".as_slice()).expect("adds to memory");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&builder.into_inner().expect("closes")).expect("writes to memory");
        let document = read("a.tar.gz", &encoder.finish().expect("closes"));
        assert_eq!(document.members[0].0, "notes/a.txt");
        assert_eq!(document.members[0].1.text, "hello");
    }

    #[test]
    fn a_zstd_file_is_its_member_and_a_cut_one_says_so() {
        let text: String =
            (0..20_000u32).map(|n| format!("Rent {}. ", n.wrapping_mul(2_654_435_761))).collect();
        let packed = zstd::encode_all(text.as_bytes(), 1).expect("packs in memory");
        let document = read("notes.txt.zst", &packed);
        assert_eq!((document.members[0].0.as_str(), &document.members[0].1.text), ("notes.txt", &text));
        assert_eq!(document.outcome.to_string(), "indexed");
        let cut = read("notes.txt.zst", &packed[..packed.len() / 2]);
        assert_eq!(cut.outcome.to_string(), "partly read (the end of the file: damaged)");
        assert!(text.starts_with(&cut.members[0].1.text));
    }

    #[test]
    fn containers_in_containers_end() {
        let mut bytes = package(&[("a.txt", "deep")]);
        for _ in 0..8 {
            let text = bytes.clone();
            let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            writer.start_file("in.zip", zip::write::SimpleFileOptions::default()).expect("a new member");
            writer.write_all(&text).expect("writes to memory");
            bytes = writer.finish().expect("closes").into_inner();
        }
        let mut document = &read("a.zip", &bytes);
        let mut depth = 0;
        while let Some((_, member)) = document.members.first() {
            document = member;
            depth += 1;
        }
        assert_eq!(depth, 4);
        assert!(document.outcome.to_string().contains("containers deep"));
    }
}
