//! Starting programs, and saying what failed.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A step that did not succeed, and what to do about it.
pub struct Failed {
    what: String,
    hint: String,
}

impl Failed {
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Failed {
        Failed { what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// One program to run, in the checkout's top folder unless told otherwise.
pub struct Step(Command);

impl Step {
    pub fn new(program: impl AsRef<OsStr>, arguments: &[&str]) -> Step {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root());
        Step(command)
    }

    /// Cargo, with the protocol compiler that the vector store's build needs.
    pub fn cargo(arguments: &[&str]) -> Step {
        let step = Step::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments);
        let mut step = step.env("RUST_MIN_STACK", "8388608");
        // What `cargo run` tells this program of itself. Build scripts of dependencies watch these (`ring` does), and
        // would compile half of the world anew whenever cargo is called now directly, now from here.
        for (name, _) in std::env::vars_os() {
            let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
            if name.to_str().is_some_and(|name| own.iter().any(|prefix| name.starts_with(prefix))) {
                step.0.env_remove(&name);
            }
        }
        match protoc_bin_vendored::protoc_bin_path() {
            Ok(protoc) if std::env::var_os("PROTOC").is_none() => step.env("PROTOC", protoc),
            _ => step,
        }
    }

    /// The built binary.
    pub fn carrel(arguments: &[&str]) -> Step {
        Step::new(carrel_path(), arguments)
    }

    pub fn args(mut self, arguments: &[String]) -> Step {
        self.0.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Step {
        self.0.env(name, value);
        self
    }

    pub fn at(mut self, folder: &Path) -> Step {
        self.0.current_dir(folder);
        self
    }

    /// Runs to the end; `what` names the attempt should it fail.
    pub fn run(mut self, what: &str) -> Result<(), Failed> {
        let program = self.0.get_program().to_string_lossy().into_owned();
        match self.0.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failed::new(format!("could not {what}: `{program}` ended with {status}"), "")),
            Err(error) => Err(Failed::new(
                format!("could not {what}: `{program}` did not start: {error}"),
                "is it installed and on the PATH?",
            )),
        }
    }
}

/// The checkout's top folder.
pub fn root() -> PathBuf {
    // Cargo says where it runs this; what was compiled in may be another checkout that shares the target directory.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Where the build puts the `carrel` binary.
pub fn carrel_path() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let target = if target.is_absolute() { target } else { root().join(target) };
    target.join("debug").join(format!("carrel{}", std::env::consts::EXE_SUFFIX))
}

/// Whether a program of this name is on the PATH.
pub fn finds(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// A Chromium to test with: `$CHROMIUM`, else one of the usual names.
pub fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(PathBuf::from(named));
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .flat_map(|folder| ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name)))
        .find(|path| path.is_file())
}
