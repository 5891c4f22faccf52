//! The server: one listener on loopback for the page and for programs, and a socket in the data directory for
//! the command line. It translates between HTTP and [`Library`], and holds no logic of its own.
//!
//! Serving has two steps, so that no document is read before the locks are on: [`prepare`] opens both
//! listeners and locks the process ([`airgap`]) while it still has a single thread; [`serve`] answers until
//! it is told to stop.

mod ask;
mod assets;
mod auth;
pub mod client;
mod documents;
mod failure;
mod guard;
mod routes;
mod tasks;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::airgap::{self, Locked};
use crate::library::Library;
use auth::Doors;

/// Where it listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 4310;

/// The socket in the data directory over which the command line speaks to a running server.
pub const SOCKET: &str = "carrel.sock";

/// How long requests that are under way may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(2);

pub struct ServeOptions {
    /// On 127.0.0.1; without one [`DEFAULT_PORT`], or a free one when that is taken.
    pub port: Option<u16>,
    /// Whether to give up every other socket. Only debugging is a reason not to.
    pub lock: bool,
    pub data_dir: PathBuf,
    /// Directories besides the data directory in which files may be made while serving: where models keep
    /// weights that they have rearranged for this machine.
    pub caches: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not listen on 127.0.0.1:{port}")]
    Port { port: u16, source: io::Error },
    #[error("another carrel is serving `{}`", .0.display())]
    Running(PathBuf),
    #[error("could not listen on `{}`", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("could not lock this process away from the network")]
    Lock(#[from] airgap::Error),
    #[error("could not make or read the secrets in `{}`", path.display())]
    Secrets { path: PathBuf, source: io::Error },
    #[error("could not make `{}`", path.display())]
    Cache { path: PathBuf, source: io::Error },
    #[error("could not start the server")]
    Start(#[source] io::Error),
    #[error("no server is running on `{}`", .0.display())]
    NotRunning(PathBuf),
    #[error("the running server did not answer as expected")]
    Answer(#[source] io::Error),
}

impl Error {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::Port { .. } => "another program uses this port; pass a different `--port`, or none",
            Error::Running(_) => "`carrel open` prints a link to it; or pass another `--data-dir`",
            Error::Socket { .. } => {
                "the data directory must be on a file system with sockets, under a path of at most 90 bytes"
            }
            Error::Lock(_) => "the kernel has no seccomp filters; `--no-lock` serves without that protection",
            Error::NotRunning(_) => "start it with `carrel serve`",
            Error::Secrets { .. } | Error::Cache { .. } | Error::Start(_) | Error::Answer(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// Open listeners of a process that is locked, if it is to be.
pub struct Prepared {
    listener: TcpListener,
    socket: UnixListener,
    address: SocketAddr,
    data_dir: PathBuf,
    locked: Option<Locked>,
}

/// What every request handler sees.
#[derive(Clone)]
pub(crate) struct Site {
    library: Arc<Library>,
    doors: Arc<Doors>,
    address: SocketAddr,
    /// Becomes true when the server is told to stop: endless answers end then.
    stopping: watch::Receiver<bool>,
}

/// Opens the listeners and then takes every other way out away from this process.
///
/// Call it while the process has one thread: what starts later inherits all locks.
pub fn prepare(options: &ServeOptions) -> Result<Prepared, Error> {
    let socket = listen_in(&options.data_dir)?;
    let listener = listen_on(options.port)?;
    let address = listener.local_addr().map_err(Error::Start)?;
    let locked = match options.lock {
        true => Some(airgap::lock(&airgap::Locks { writable: writable(options)? })?),
        false => None,
    };
    Ok(Prepared { listener, socket, address, data_dir: options.data_dir.clone(), locked })
}

/// A rule names a directory that is there.
fn writable(options: &ServeOptions) -> Result<Vec<PathBuf>, Error> {
    let mut writable = airgap::writable(&options.data_dir);
    for cache in &options.caches {
        std::fs::create_dir_all(cache).map_err(|source| Error::Cache { path: cache.clone(), source })?;
        writable.push(cache.clone());
    }
    Ok(writable)
}

/// Prints the address with its one-time token, and answers until Ctrl-C or SIGTERM.
pub fn serve(library: Arc<Library>, prepared: Prepared) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("server")
        .enable_all()
        .build()
        .map_err(Error::Start)?;
    let result = runtime.block_on(run(library, prepared));
    runtime.shutdown_timeout(GRACE);
    result
}

async fn run(library: Arc<Library>, prepared: Prepared) -> Result<(), Error> {
    let Prepared { listener, socket, address, data_dir, locked } = prepared;
    let (stop, stopping) = watch::channel(false);
    let doors = Doors::open(&data_dir, address.port())
        .map_err(|source| Error::Secrets { path: data_dir.clone(), source })?;
    let site = Site { library, doors: Arc::new(doors), address, stopping };
    announce(&site, locked, &data_dir);

    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Start)?;
    let page = axum::serve(asynchronous(listener)?, guard::guarded(&site))
        .with_graceful_shutdown(until_stopped(site.stopping.clone()));
    let command_line = axum::serve(asynchronous_unix(socket)?, guard::trusted(&site))
        .with_graceful_shutdown(until_stopped(site.stopping.clone()));
    let serving = tokio::spawn(async move { tokio::join!(page.into_future(), command_line.into_future()) });
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // The receivers are gone only when nothing is left to stop.
    let _ = stop.send(true);
    let _ended_or_out_of_patience = tokio::time::timeout(GRACE, serving).await;
    let _gone = std::fs::remove_file(data_dir.join(SOCKET));
    Ok(())
}

async fn until_stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = stopping.wait_for(|&stopping| stopping).await;
}

fn announce(site: &Site, locked: Option<Locked>, data_dir: &Path) {
    println!("Open this link in a browser on this machine; it works once:\n");
    println!("    {}\n", site.doors.link(site.address));
    println!("`carrel open` prints another one. Ctrl-C ends; nothing that was read is lost.");
    match locked {
        None => eprintln!(
            "\nwarning: --no-lock: this process can open connections to anywhere. That no document leaves this\n\
             machine is now a matter of trust in its code, and no longer enforced by the kernel."
        ),
        Some(locked) => {
            println!(
                "Locked by the kernel: no socket but this listener{}.",
                files_sentence(locked, data_dir)
            );
            if !locked.from_the_first_thread {
                tracing::warn!("threads were running before the file rules were applied");
            }
        }
    }
}

fn files_sentence(locked: Locked, data_dir: &Path) -> String {
    match locked.landlock {
        airgap::landlock::Holds::NotOffered => {
            " (this kernel offers no Landlock, so writing files is not restricted)".to_owned()
        }
        _ => format!("; files are written only in `{}` and for temporary use", data_dir.display()),
    }
}

fn listen_on(port: Option<u16>) -> Result<TcpListener, Error> {
    let bind =
        |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|source| Error::Port { port, source });
    match (port, bind(port.unwrap_or(DEFAULT_PORT))) {
        (None, Err(Error::Port { source, .. })) if source.kind() == io::ErrorKind::AddrInUse => bind(0),
        (_, bound) => bound,
    }
}

/// Only the owner can reach the socket: the data directory is closed to others, and so is the socket itself.
fn listen_in(data_dir: &Path) -> Result<UnixListener, Error> {
    let path = data_dir.join(SOCKET);
    if UnixStream::connect(&path).is_ok() {
        return Err(Error::Running(data_dir.to_path_buf()));
    }
    let failed = |source| Error::Socket { path: path.clone(), source };
    // What a killed server left behind, if anything.
    let _gone = std::fs::remove_file(&path);
    let socket = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(socket)
}

fn asynchronous(listener: TcpListener) -> Result<tokio::net::TcpListener, Error> {
    listener.set_nonblocking(true).map_err(Error::Start)?;
    tokio::net::TcpListener::from_std(listener).map_err(Error::Start)
}

fn asynchronous_unix(listener: UnixListener) -> Result<tokio::net::UnixListener, Error> {
    listener.set_nonblocking(true).map_err(Error::Start)?;
    tokio::net::UnixListener::from_std(listener).map_err(Error::Start)
}
