//! Model files on disk, by the digest of their bytes.
//!
//! `blobs/sha256-<hex>` holds bytes, `manifests/<name>.json` says which blobs a name stands for. A name
//! appears only when all of its blobs are there, complete and verified: blobs and manifests are written
//! beside their place, synced and renamed. One blob serves many names and goes with the last of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Digest, Error};

pub(crate) mod blob;
mod import;
mod inspect;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Writes text.
    Generator,
    /// Turns text into vectors.
    Embedder,
    /// Scores a passage against a question.
    Reranker,
}

impl ModelKind {
    pub fn name(self) -> &'static str {
        match self {
            ModelKind::Generator => "generator",
            ModelKind::Embedder => "embedder",
            ModelKind::Reranker => "reranker",
        }
    }
}

/// How the token vectors of an embedder become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean of all tokens.
    Mean,
    /// The first token.
    Cls,
}

/// What an embedder needs to know beside its own configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Embedding {
    pub pooling: Pooling,
    /// Put before a question.
    pub query_prefix: String,
    /// Put before a passage.
    pub passage_prefix: String,
    /// Longest input in tokens, with the special ones.
    pub max_tokens: usize,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    pub kind: ModelKind,
    /// Role (`weights`, `tokenizer`, `config`), digest and size in bytes.
    pub files: Vec<(String, Digest, u64)>,
    /// Where it came from, for a person.
    pub source: String,
    pub description: String,
    pub architecture: Option<String>,
    pub parameters: Option<u64>,
    pub quantisation: Option<String>,
    /// Tokens that it was trained to see at once.
    pub context_tokens: Option<u64>,
    pub licence: Option<String>,
    /// For embedders only.
    pub embedding: Option<Embedding>,
}

impl Manifest {
    /// The digest of the file with this role.
    pub fn file(&self, role: &str) -> Option<Digest> {
        self.files.iter().find(|file| file.0 == role).map(|file| file.1)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.2).sum()
    }
}

/// A manifest as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    kind: ModelKind,
    files: Vec<StoredFile>,
    source: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantisation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<Embedding>,
}

#[derive(Serialize, Deserialize)]
struct StoredFile {
    role: String,
    sha256: String,
    bytes: u64,
}

impl From<&Manifest> for Stored {
    fn from(manifest: &Manifest) -> Stored {
        let Manifest { name, kind, files, source, description, architecture, .. } = manifest.clone();
        Stored {
            name,
            kind,
            files: files
                .into_iter()
                .map(|(role, digest, bytes)| StoredFile { role, sha256: digest.to_string(), bytes })
                .collect(),
            source,
            description,
            architecture,
            parameters: manifest.parameters,
            quantisation: manifest.quantisation.clone(),
            context_tokens: manifest.context_tokens,
            licence: manifest.licence.clone(),
            embedding: manifest.embedding.clone(),
        }
    }
}

impl Stored {
    fn into_manifest(self) -> Option<Manifest> {
        let files = self.files.into_iter();
        let files = files.map(|file| Some((file.role, Digest::parse(&file.sha256)?, file.bytes)));
        Some(Manifest {
            files: files.collect::<Option<_>>()?,
            name: self.name,
            kind: self.kind,
            source: self.source,
            description: self.description,
            architecture: self.architecture,
            parameters: self.parameters,
            quantisation: self.quantisation,
            context_tokens: self.context_tokens,
            licence: self.licence,
            embedding: self.embedding,
        })
    }
}

/// A directory of models.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens the store in a directory, which is made where it is not there.
    pub fn open(directory: &Path) -> Result<Store, Error> {
        for part in ["blobs", "manifests"] {
            let path = directory.join(part);
            fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        }
        Ok(Store { directory: directory.to_owned() })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a blob lies, or would lie.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("blobs").join(format!("sha256-{digest}"))
    }

    /// Where files made from a blob are kept (weights laid out for this machine). They go with the blob.
    pub fn derived_directory(&self, digest: &Digest) -> PathBuf {
        self.directory.join("derived").join(format!("sha256-{digest}"))
    }

    /// Where unfinished downloads of a model are kept.
    pub(crate) fn partial_directory(&self, name: &str) -> PathBuf {
        self.directory.join("partial").join(encode(name))
    }

    fn manifest_path(&self, name: &str) -> PathBuf {
        self.directory.join("manifests").join(format!("{}.json", encode(name)))
    }

    /// All models, sorted by name.
    pub fn list(&self) -> Result<Vec<Manifest>, Error> {
        let directory = self.directory.join("manifests");
        let mut manifests = Vec::new();
        for entry in fs::read_dir(&directory).map_err(Error::io("read", &directory))? {
            let path = entry.map_err(Error::io("read", &directory))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                manifests.push(read_manifest(&path)?);
            }
        }
        manifests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(manifests)
    }

    /// # Errors
    /// [`Error::UnknownModel`] where there is none of this name.
    pub fn get(&self, name: &str) -> Result<Manifest, Error> {
        check_name(name)?;
        let path = self.manifest_path(name);
        match path.exists() {
            true => read_manifest(&path),
            false => Err(Error::UnknownModel { name: name.to_owned() }),
        }
    }

    /// The path of a model's file with this role, after a look that it is there and has its size.
    pub(crate) fn file(&self, manifest: &Manifest, role: &str) -> Result<PathBuf, Error> {
        let found = manifest.files.iter().find(|file| file.0 == role);
        let (_, digest, bytes) = found.ok_or_else(|| Error::MissingKey { key: role.to_owned() })?;
        let path = self.blob_path(digest);
        let present = fs::metadata(&path).map_err(Error::io("open", &path))?.len();
        if present != *bytes {
            return Err(Error::Digest {
                what: path.display().to_string(),
                expected: format!("{digest} ({bytes} bytes)"),
                found: format!("another file ({present} bytes)"),
            });
        }
        Ok(path)
    }

    /// Reads every file of a model again and compares digests.
    pub fn verify(&self, name: &str) -> Result<(), Error> {
        for (role, digest, _) in &self.get(name)?.files {
            let found = Digest::of_file(&self.blob_path(digest))?.0;
            if found != *digest {
                return Err(Error::Digest {
                    what: format!("{name} ({role})"),
                    expected: digest.to_string(),
                    found: found.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Writes a manifest whose blobs are all there.
    pub(crate) fn commit(&self, manifest: &Manifest) -> Result<(), Error> {
        check_name(&manifest.name)?;
        let json = serde_json::to_vec_pretty(&Stored::from(manifest)).map_err(|error| Error::Manifest {
            path: self.manifest_path(&manifest.name),
            reason: error.to_string(),
        })?;
        let _lock = self.lock()?;
        blob::write_atomically(&self.manifest_path(&manifest.name), &json)
    }

    /// Forgets a name, and deletes what only it needed. Returns the number of bytes that this freed.
    pub fn remove(&self, name: &str) -> Result<u64, Error> {
        let manifest = self.get(name)?;
        let _lock = self.lock()?;
        let path = self.manifest_path(name);
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        let kept: Vec<Digest> =
            self.list()?.iter().flat_map(|other| other.files.iter().map(|file| file.1)).collect();
        let mut freed = 0;
        for (_, digest, _) in manifest.files.iter().filter(|file| !kept.contains(&file.1)) {
            freed += blob::remove(&self.blob_path(digest))?;
            freed += blob::remove(&self.derived_directory(digest))?;
        }
        Ok(freed + blob::remove(&self.partial_directory(name))?)
    }

    /// Only one process at a time writes manifests or counts references.
    fn lock(&self) -> Result<File, Error> {
        let path = self.directory.join("manifests/.lock");
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(file)
    }
}

fn read_manifest(path: &Path) -> Result<Manifest, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let bad = |reason: String| Error::Manifest { path: path.to_owned(), reason };
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    stored.into_manifest().ok_or_else(|| bad("a digest is malformed".to_owned()))
}

/// Names are what a person types: letters, digits and `. _ - : /`, beginning with a letter or digit.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let fine = name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-:/".contains(c));
    fine.then_some(()).ok_or_else(|| Error::BadName { name: name.to_owned() })
}

/// A name as one part of a path.
fn encode(name: &str) -> String {
    name.replace(':', "%3A").replace('/', "%2F")
}

#[cfg(test)]
mod tests;
