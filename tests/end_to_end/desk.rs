//! A folder of files and a library of its own, with the binary to work on them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use carrel::config::{Config, Overrides};
use carrel::library::Library;
use serde_json::Value;

/// The smallest model that answers.
pub const GENERATOR: &str = "smollm2:135m";
const EMBEDDER: &str = "all-minilm-l6-v2";
/// Nothing here takes longer on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything one test needs; deleted when it is dropped.
pub struct Desk {
    directory: tempfile::TempDir,
    models: PathBuf,
}

impl Desk {
    /// None, loudly, where the models are not there.
    pub fn new() -> Option<Desk> {
        let desk = Desk { directory: tempfile::tempdir().unwrap(), models: models_dir() };
        std::fs::create_dir(desk.folder()).unwrap();
        let missing: Vec<&str> =
            [GENERATOR, EMBEDDER].into_iter().filter(|name| !desk.has_model(name)).collect();
        if missing.is_empty() {
            return Some(desk);
        }
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        // Written past the test runner, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "LEFT OUT: {test} needs {} in `{}`; `carrel models pull` fetches them",
            missing.join(" and "),
            desk.models.display()
        );
        None
    }

    /// With these files in its folder.
    pub fn with_files(files: &[(&str, &str)]) -> Option<Desk> {
        let desk = Desk::new()?;
        for (name, text) in files {
            desk.write(name, text);
        }
        Some(desk)
    }

    pub fn folder(&self) -> PathBuf {
        self.directory.path().join("folder")
    }

    /// The library's own directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The command, with this desk's library and models.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_in(&self.data(), args)
    }

    pub fn command_in(&self, data: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carrel"));
        command
            .args(args)
            .arg("--data-dir")
            .arg(data)
            .arg("--models-dir")
            .arg(&self.models)
            .args(["--model", GENERATOR])
            .env("HOME", self.directory.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The library in this very process, with its folder read and every vector made.
    pub fn library(&self) -> std::sync::Arc<Library> {
        let mut config = Config::resolve(Overrides {
            data_dir: Some(self.data()),
            models_dir: Some(self.models.clone()),
            generator: Some(GENERATOR.to_owned()),
            ..Overrides::default()
        })
        .unwrap();
        config.worker.0 = env!("CARGO_BIN_EXE_carrel").into();
        let library = Library::open(config).unwrap();
        library.add_folder(&self.folder()).unwrap();
        library.start();
        library.wait_until_embedded(&mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        library
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        self.json_in(&self.data(), args)
    }

    pub fn json_in(&self, data: &Path, args: &[&str]) -> Value {
        let output = self.command_in(data, args).arg("--json").output().unwrap();
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "carrel {args:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Has a running server do something that gives nothing back.
    pub fn post(&self, path: &str) {
        let mut stream = std::os::unix::net::UnixStream::connect(self.data().join("carrel.sock")).unwrap();
        write!(stream, "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.split(' ').nth(1) == Some("204"), "{path}: {answer}");
    }

    /// Reads the folder to the end.
    pub fn add(&self) -> Value {
        self.json(&["add", self.folder().to_str().unwrap()])
    }

    /// The ledger: path beneath the folder, outcome, chunks, chunks with a vector.
    pub fn ledger(&self, data: &Path) -> Vec<(String, String, u64, u64)> {
        let status = self.json_in(data, &["status"]);
        let folder = self.folder().canonicalize().unwrap();
        let mut files: Vec<_> = status["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                let path = file["path"].as_str().unwrap();
                let name = path.strip_prefix(folder.to_str().unwrap()).unwrap_or(path);
                (
                    name.trim_start_matches('/').to_owned(),
                    file["outcome"].as_str().unwrap().to_owned(),
                    file["chunks"].as_u64().unwrap(),
                    file["embedded"].as_u64().unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    }

    /// Paths and spans of what a search finds, best first.
    pub fn found(&self, data: &Path, query: &str) -> Vec<(String, Value)> {
        let found = self.json_in(data, &["search", query]);
        let passages = found["passages"].as_array().unwrap().iter();
        passages.map(|p| (p["path"].as_str().unwrap().to_owned(), p["span"].clone())).collect()
    }

    /// A running server that has read the folder.
    pub fn serve(&self) -> Server<'_> {
        let server = self.start();
        server.until("the server reads the folder", |status| {
            status["progress"]["phase"] == "idle" && !status["folders"].as_array().unwrap().is_empty()
        });
        server
    }

    /// A server that has just been started.
    pub fn start(&self) -> Server<'_> {
        let folder = self.folder();
        let child = self
            .command(&["serve", folder.to_str().unwrap(), "--port", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Server { desk: self, child }
    }

    /// What a running server says, asked over its socket; none where none runs.
    pub fn get(&self, path: &str) -> Option<Value> {
        get(&self.data(), path)
    }

    fn has_model(&self, name: &str) -> bool {
        let output = self.command(&["models", "show", name]).output().unwrap();
        output.status.success()
    }
}

/// Killed when it is dropped.
pub struct Server<'a> {
    desk: &'a Desk,
    child: Child,
}

impl Server<'_> {
    /// Waits until the status is as wanted.
    pub fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let socket = self.desk.data().join("carrel.sock");
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok()
                && wanted(&self.desk.json(&["status"]))
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("waited in vain until {what}");
    }

    /// Waits until it reads files or makes vectors; gives which.
    pub fn until_busy(&self) -> String {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let status = self.desk.get("/library/status").unwrap_or_default();
            if let Some(phase @ ("reading" | "embedding")) = status["progress"]["phase"].as_str() {
                return phase.to_owned();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("waited in vain until the server was busy");
    }

    /// Waits until the ledger is as wanted; gives how long that took.
    pub fn until_ledger(
        &self,
        what: &str,
        wanted: impl Fn(&[(String, String, u64, u64)]) -> bool,
    ) -> Duration {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if wanted(&self.desk.ledger(&self.desk.data())) {
                return began.elapsed();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("waited in vain until {what}");
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small generator of numbers, the same in every run (Knuth's MMIX constants).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

/// What the server of a data directory says; none where none runs, or where it ends meanwhile.
pub fn get(data: &Path, path: &str) -> Option<Value> {
    let mut stream = std::os::unix::net::UnixStream::connect(data.join("carrel.sock")).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// Files of the library in which the word still stands.
pub fn leftovers(desk: &Desk, word: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![desk.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() && std::fs::read(&path).unwrap().windows(word.len()).any(|w| w == word) {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}

pub fn models_dir() -> PathBuf {
    if let Some(path) = std::env::var_os("CARREL_MODELS") {
        return path.into();
    }
    carrel::config::default_data_dir().unwrap().join("models")
}
