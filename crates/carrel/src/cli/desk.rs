//! The library that a command works with: opened here, or by a server that is running already.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::progress::Meter;
use super::remote::Remote;
use super::{Failure, Global};
use crate::config::{self, Config, Overrides};
use crate::interrupt;
use crate::library::Library;

pub enum Desk {
    /// Opened by this process, and stopped when this is dropped.
    Here(Here),
    /// A server has it open and answers for it.
    Served(Remote),
}

/// A library whose background work ends with this value.
pub struct Here(pub Arc<Library>);

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
            None => Ok(Desk::Here(Here(Library::open(config)?))),
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
}

impl Here {
    /// A library of this process for work over whole documents, with `folders` read; without any, that of the data
    /// directory. With `vectors` these are made to the end. None when Ctrl-C was pressed.
    pub fn for_task(global: &Global, folders: &[PathBuf], vectors: bool) -> Result<Option<Here>, Failure> {
        let desk = match folders.first() {
            Some(folder) => Desk::for_folder(global, folder)?,
            None => Desk::open(global)?,
        };
        let Desk::Here(here) = desk else {
            return Err(Failure::with_hint(
                "a running carrel has the library open, and does not do this work for the command line",
                "stop the server, or name a folder together with another `--data-dir`",
            ));
        };
        for folder in folders {
            here.0.add_folder(folder)?;
        }
        let read = here.catch_up(vectors.then_some(f64::INFINITY))?;
        Ok(read.then_some(here))
    }

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
