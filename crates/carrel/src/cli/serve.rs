//! `carrel serve`: watch the folders and serve the page. `carrel open`: another link to it.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, Global};
use crate::library::Library;
use crate::server::{self, ServeOptions};

/// Watch folders and serve the page on this machine's loopback interface
///
/// Prints an address with a one-time token; open it in a browser. Before the first request is served, the kernel takes
/// every other socket away from this process: nothing can be sent anywhere. Ctrl-C ends it and loses nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel serve ~/Documents/contracts ~/Documents/letters
  carrel serve                     # the folders added before
  carrel serve --port 4311 --model smollm2:135m")]
pub struct ServeArgs {
    /// Folders to add to the library
    folders: Vec<PathBuf>,
    /// Port on 127.0.0.1 [default: 4310, or a free one]
    #[arg(long)]
    port: Option<u16>,
    /// Keep the ability to open sockets: for debugging, gives up the proof that nothing leaves this machine
    #[arg(long)]
    no_lock: bool,
}

impl ServeArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let config = global.resolve()?;
        let mut folders = Vec::new();
        for folder in &self.folders {
            folders.push(super::folders::existing(folder)?);
        }
        // While there is one thread, so that every later one inherits the locks.
        let prepared = server::prepare(&ServeOptions {
            port: self.port,
            lock: !self.no_lock,
            data_dir: config.data_dir.clone(),
            caches: vec![config.models_dir.join("derived")],
        })
        .map_err(|error| Failure::told(crate::chain(&error), error.hint()))?;
        let library = Library::open(config)?;
        for folder in &folders {
            library.add_folder(folder)?;
        }
        library.start();
        library.preload_generator();
        let served = server::serve(library.clone(), prepared);
        library.stop();
        served.map_err(|error| Failure::told(crate::chain(&error), error.hint()))?;
        Ok(Exit::Done)
    }
}

/// Prints a fresh one-time link to the running server.
pub fn open(global: &Global) -> Result<Exit, Failure> {
    let config = global.resolve()?;
    let link = server::client::open(&config.data_dir)
        .map_err(|error| Failure::told(crate::chain(&error), error.hint()))?;
    println!("{link}");
    Ok(Exit::Done)
}
