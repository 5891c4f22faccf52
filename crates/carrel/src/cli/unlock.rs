//! `carrel unlock`: a password for an encrypted file.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use carrel_ingest::Password;
use clap::Args;
use serde_json::json;

use super::desk::Desk;
use super::{Exit, Failure, Global};
use crate::wire;

/// Read an encrypted file with its password
///
/// The password is asked for, or read from the first line of stdin where that is no terminal. It is kept in memory only: by a
/// running server until it ends, so that the file can be read again when it changes; by this command alone
/// otherwise. The text that was read stays searchable.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel unlock salaries.pdf
  pass show salaries | carrel unlock salaries.pdf")]
pub struct UnlockArgs {
    file: PathBuf,
}

impl UnlockArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let missing = |_| Failure::new(format!("no such file `{}`", self.file.display()));
        let path = carrel_ingest::stored_from_path(&self.file.canonicalize().map_err(missing)?);
        let desk = Desk::open(global)?;
        let ledger: wire::Files = match &desk {
            Desk::Here(here) => wire::Files::new(&here.0.files(None)?, &here.0.status()?.coverage),
            Desk::Served(remote) => remote.get("/library/files")?,
        };
        let Some(file) = ledger.files.into_iter().find(|file| file.path == path) else {
            return Err(Failure::with_hint(
                format!("`{path}` is not in the library"),
                "`carrel add FOLDER` reads the folder that it is in",
            ));
        };
        let password = ask(&path)?;
        match &desk {
            Desk::Here(here) => {
                here.0.unlock(carrel_corpus::DocumentId(file.document), &Password::new(&password))?;
                if !here.catch_up(Some(f64::INFINITY))? {
                    return Ok(Exit::Interrupted);
                }
            }
            Desk::Served(remote) => {
                let body = wire::UnlockBody { password };
                remote.post::<()>(&format!("/library/documents/{}/unlock", file.document), &body)?;
            }
        }
        match global.json {
            true => println!("{:#}", json!({ "path": path })),
            false => println!("`{path}` was opened and read"),
        }
        Ok(Exit::Done)
    }
}

/// The first line of stdin; of a terminal, without showing what is typed.
fn ask(path: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    let silence = match stdin.is_terminal() {
        true => {
            eprint!("Password for `{path}`: ");
            io::stderr().flush()?;
            Some(Silence::begin(&stdin)?)
        }
        false => None,
    };
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    if silence.is_some() {
        eprintln!();
    }
    drop(silence);
    let password = line.trim_end_matches(['\r', '\n']);
    match password.is_empty() {
        true => Err(Failure::new("no password was given")),
        false => Ok(password.to_owned()),
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence {
    terminal: i32,
    former: libc::termios,
}

impl Silence {
    fn begin(terminal: &impl AsRawFd) -> io::Result<Silence> {
        let terminal = terminal.as_raw_fd();
        // SAFETY: `termios` is a plain C structure, for which all-zero bytes are valid, and the calls get a pointer to one
        // that outlives them.
        unsafe {
            let mut former: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(terminal, &raw mut former) != 0 {
                return Err(io::Error::last_os_error());
            }
            let mut silent = former;
            silent.c_lflag &= !libc::ECHO;
            if libc::tcsetattr(terminal, libc::TCSAFLUSH, &raw const silent) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Silence { terminal, former })
        }
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::tcsetattr(self.terminal, libc::TCSAFLUSH, &raw const self.former) };
    }
}
