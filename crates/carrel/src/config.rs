//! Settings, resolved once: flags over the environment over `carrel.toml` in the data directory over defaults.
//! Past this point nothing is optional and nothing reads an environment variable.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carrel_generate::AnswerConfig;
use carrel_ingest::{ChunkConfig, Limits, Rules, WorkersConfig};
use carrel_models::{CacheType, GeneratorOptions};
use etcetera::BaseStrategy;
use serde::Deserialize;

/// The generator used when none is named.
pub const DEFAULT_GENERATOR: &str = "qwen2.5-coder:1.5b";
/// The embedder used when none is named.
pub const DEFAULT_EMBEDDER: &str = "all-minilm-l6-v2";

/// Tokens of prompt and reply together, unless `carrel.toml` says otherwise.
const DEFAULT_CONTEXT: usize = 4096;
/// How often the folders are compared with the catalog although no event told of a change.
const DEFAULT_RESCAN: Duration = Duration::from_secs(600);

/// Why the settings could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not find a place for the data directory")]
    NoHome(#[source] etcetera::HomeDirError),
    #[error("could not make the data directory `{}`", path.display())]
    DataDirectory { path: PathBuf, source: io::Error },
    #[error("could not read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("could not understand `{}`", path.display())]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("could not find this program's own file")]
    Program(#[source] io::Error),
}

/// What the command line says; everything left out is decided by [`Config::resolve`].
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub data_dir: Option<PathBuf>,
    pub models_dir: Option<PathBuf>,
    pub generator: Option<String>,
    pub embedder: Option<String>,
    pub reranker: Option<String>,
    pub threads: Option<usize>,
    pub kv: Option<CacheType>,
}

/// `carrel.toml`. Unknown keys are errors, so that a misspelt one is noticed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    models_dir: Option<PathBuf>,
    generator: Option<String>,
    embedder: Option<String>,
    reranker: Option<String>,
    threads: Option<usize>,
    context_tokens: Option<usize>,
    kv: Option<CacheType>,
    rescan_seconds: Option<u64>,
}

/// Everything that the library and the server need to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Holds the catalog and what is derived from it; only the owner may enter.
    pub data_dir: PathBuf,
    pub models_dir: PathBuf,
    /// A name in the model store, or the path of a GGUF file.
    pub generator: String,
    pub embedder: String,
    /// A cross-encoder that puts what was found in a better order, if one is wanted.
    pub reranker: Option<String>,
    pub generator_options: GeneratorOptions,
    /// Threads that one network may use.
    pub threads: usize,
    /// The program and arguments that start an extraction worker.
    pub worker: (PathBuf, Vec<String>),
    /// Extraction workers at once.
    pub workers: usize,
    pub limits: Limits,
    pub rules: Rules,
    pub chunks: ChunkConfig,
    pub answers: AnswerConfig,
    pub rescan: Duration,
}

impl Config {
    /// Fills in what `overrides` leaves open and makes the data directory, with mode 0700.
    pub fn resolve(mut overrides: Overrides) -> Result<Config, Error> {
        let data_dir = match overrides.data_dir.take() {
            Some(path) => path,
            None => default_data_dir()?,
        };
        make_private(&data_dir)?;
        let data_dir = data_dir
            .canonicalize()
            .map_err(|source| Error::DataDirectory { path: data_dir.clone(), source })?;
        Config::in_directory(data_dir, overrides)
    }

    /// The same for commands that keep nothing: the data directory need not exist and is not made.
    pub fn without_data(mut overrides: Overrides) -> Result<Config, Error> {
        let data_dir = match overrides.data_dir.take() {
            Some(path) => path,
            None => default_data_dir()?,
        };
        Config::in_directory(data_dir, overrides)
    }

    fn in_directory(data_dir: PathBuf, overrides: Overrides) -> Result<Config, Error> {
        let file = ConfigFile::load(&data_dir.join("carrel.toml"))?;
        let threads = overrides.threads.or(file.threads).unwrap_or_else(available_threads).max(1);
        let models_dir = overrides.models_dir.or_else(models_from_environment).or(file.models_dir);
        Ok(Config {
            models_dir: match models_dir {
                Some(path) => path,
                None => default_data_dir()?.join("models"),
            },
            generator: overrides.generator.or(file.generator).unwrap_or_else(|| DEFAULT_GENERATOR.into()),
            embedder: overrides.embedder.or(file.embedder).unwrap_or_else(|| DEFAULT_EMBEDDER.into()),
            reranker: overrides.reranker.or(file.reranker),
            generator_options: GeneratorOptions {
                threads,
                context_tokens: file.context_tokens.unwrap_or(DEFAULT_CONTEXT),
                cache: overrides.kv.or(file.kv).unwrap_or_default(),
                cache_dir: Some(data_dir.join("cache")),
                speculation: true,
            },
            threads,
            worker: (std::env::current_exe().map_err(Error::Program)?, vec!["worker".to_owned()]),
            workers: threads.clamp(1, 4),
            limits: Limits::STANDARD,
            rules: Rules::default(),
            chunks: ChunkConfig::STANDARD,
            answers: AnswerConfig::default(),
            rescan: file.rescan_seconds.map_or(DEFAULT_RESCAN, Duration::from_secs),
            data_dir,
        })
    }

    /// How extraction workers are started.
    pub fn workers(&self) -> WorkersConfig {
        WorkersConfig {
            program: self.worker.0.clone(),
            args: self.worker.1.clone(),
            count: self.workers,
            limits: self.limits.clone(),
        }
    }

    /// Where a running server listens for the commands of the same user.
    pub fn socket(&self) -> PathBuf {
        self.data_dir.join("carrel.sock")
    }
}

impl ConfigFile {
    /// Reads the file; a missing one is the same as an empty one.
    fn load(path: &Path) -> Result<ConfigFile, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ConfigFile::default()),
            Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        toml::from_str(&text)
            .map_err(|source| Error::Parse { path: path.to_owned(), source: Box::new(source) })
    }
}

/// The platform's data directory for this program.
pub fn default_data_dir() -> Result<PathBuf, Error> {
    let strategy = etcetera::choose_base_strategy().map_err(Error::NoHome)?;
    Ok(strategy.data_dir().join("carrel"))
}

/// The platform's cache directory for this program: what is in it can be made again.
pub fn default_cache_dir() -> Result<PathBuf, Error> {
    let strategy = etcetera::choose_base_strategy().map_err(Error::NoHome)?;
    Ok(strategy.cache_dir().join("carrel"))
}

/// Makes `path` and its parents, and lets only the owner into `path` itself.
fn make_private(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::DataDirectory { path: path.to_owned(), source };
    if path.is_dir() {
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 && is_ours(path) {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::DirBuilder::new().mode(0o700).create(path).map_err(failed)?;
    // Until its name is on the disk, nothing that is written in it outlives a loss of power.
    path.parent().map_or(Ok(()), sync_names).map_err(failed)
}

/// Brings the names in a directory to the disk.
fn sync_names(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    fs::File::open(directory)?.sync_all()
}

/// Whether a directory is already a data directory or empty: only then are its permissions ours to tighten.
fn is_ours(path: &Path) -> bool {
    path.join("catalog.sqlite").exists()
        || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn models_from_environment() -> Option<PathBuf> {
    std::env::var_os("CARREL_MODELS").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(directory: &Path) -> Result<Config, Error> {
        Config::resolve(Overrides { data_dir: Some(directory.join("data")), ..Overrides::default() })
    }

    #[test]
    fn the_data_directory_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let config = resolve(directory.path()).unwrap();
        let mode = fs::metadata(&config.data_dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(config.generator, DEFAULT_GENERATOR);
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("carrel.toml"), "generator = \"a\"\nembedder = \"b\"\nkv = \"q8\"\n").unwrap();
        let config = Config::resolve(Overrides {
            data_dir: Some(data),
            generator: Some("c".into()),
            ..Overrides::default()
        })
        .unwrap();
        assert_eq!((config.generator.as_str(), config.embedder.as_str()), ("c", "b"));
        assert_eq!(config.generator_options.cache, CacheType::Q8);
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("carrel.toml"), "generater = \"a\"\n").unwrap();
        let error = resolve(directory.path()).unwrap_err();
        assert!(matches!(error, Error::Parse { .. }), "{error}");
    }
}
