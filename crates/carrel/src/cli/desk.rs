//! The library that a command works with: opened here, or by a server that is running already.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::progress::Meter;
use super::remote::Remote;
use super::{Failure, Global, folders};
use crate::config::{self, Config, Overrides};
use crate::library::Library;
use crate::{interrupt, wire};

pub enum Desk {
    /// Opened by this process, and stopped when this is dropped.
    Here(Here),
    /// A server has it open and answers for it.
    Served(Remote),
}

/// A library whose background work ends with this value; and the directory of one that is kept no longer.
pub struct Here(
    pub Arc<Library>,
    #[expect(dead_code, reason = "removes the directory when it is dropped, after the library")]
    Option<tempfile::TempDir>,
);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Desk {
    pub fn open(global: &Global) -> Result<Desk, Failure> {
        Desk::with(global.resolve()?)
    }

    pub fn with(config: Config) -> Result<Desk, Failure> {
        match Remote::connect(&config.socket()) {
            Some(remote) => Ok(Desk::Served(remote)),
            None => Ok(Desk::Here(Here(Library::open(config)?, None))),
        }
    }

    /// The desk for questions about one folder. Without a data directory of its own it gets one beneath the
    /// default one, so that the second question finds the folder read.
    pub fn for_folder(global: &Global, folder: &Path) -> Result<Desk, Failure> {
        let overrides = match global.data_dir {
            Some(_) => global.overrides(),
            None => {
                let name = blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex();
                let data_dir = config::default_data_dir()?.join("folders").join(&name[..16]);
                Overrides { data_dir: Some(data_dir), ..global.overrides() }
            }
        };
        Desk::with(Config::resolve(overrides)?)
    }

    /// The desk for work over whole documents: of `folder`, which is read first, or of the whole library. With
    /// `vectors` these are made to the end. None when Ctrl-C was pressed.
    pub fn for_task(global: &Global, folder: Option<&Path>, vectors: bool) -> Result<Option<Desk>, Failure> {
        let desk = match folder {
            Some(folder) => Desk::for_folder(global, folder)?,
            None => Desk::open(global)?,
        };
        let read = match &desk {
            Desk::Here(here) => {
                folder.map(|folder| here.0.add_folder(folder)).transpose()?;
                here.catch_up(vectors.then_some(f64::INFINITY))?
            }
            Desk::Served(remote) => {
                folder.map(|folder| folders::add_served(remote, folder)).transpose()?;
                folders::wait_served(remote, vectors)?
            }
        };
        Ok(read.then_some(desk))
    }

    /// The desk for work over single files: a running server that has read them, else a library that holds nothing
    /// else and is not kept.
    pub fn for_files(global: &Global, files: &[&Path]) -> Result<Desk, Failure> {
        let config = global.resolve()?;
        if let Some(remote) = Remote::connect(&config.socket()) {
            let status: wire::Status = remote.get("/library/status")?;
            let held = |file: &&Path| status.folders.iter().any(|folder| file.starts_with(&folder.path));
            if files.iter().all(held) {
                return Ok(Desk::Served(remote));
            }
        }
        let unwritable = |error| Failure::new(format!("could not write in the data directory: {error}"));
        let directory =
            tempfile::Builder::new().prefix("reading-").tempdir_in(&config.data_dir).map_err(unwritable)?;
        let data_dir = Some(directory.path().to_owned());
        let library = Library::open(Config::resolve(Overrides { data_dir, ..global.overrides() })?)?;
        interrupt::install();
        for file in files {
            library.read_file(file)?;
        }
        Ok(Desk::Here(Here(library, Some(directory))))
    }
}

impl Here {
    /// Brings the library in step with its folders. With `vectors` it also waits for these, up to `patience`
    /// seconds. Gives false when Ctrl-C was pressed.
    pub fn catch_up(&self, vectors: Option<f64>) -> Result<bool, Failure> {
        interrupt::install();
        self.0.start();
        let mut meter = Meter::new();
        let read = self.0.wait_until_read(&mut |progress| {
            meter.show_library(progress);
            go_on()
        })?;
        if let (true, Some(patience)) = (read, vectors) {
            let began = std::time::Instant::now();
            self.0.wait_until_embedded(&mut |progress| {
                meter.show_library(progress);
                if began.elapsed().as_secs_f64() > patience {
                    return ControlFlow::Break(());
                }
                go_on()
            })?;
        }
        Ok(!interrupt::interrupted())
    }
}

fn go_on() -> ControlFlow<()> {
    if interrupt::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
