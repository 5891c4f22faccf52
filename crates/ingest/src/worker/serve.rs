//! The worker's side: lock down, then read one file after the other until the parent goes.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::{channel, lock, wire};
use crate::{Error, Limits};

/// Sent once the worker is shut in.
pub(super) const READY: &[u8] = b"ready";

/// What a program does that was started as a worker: reads files that come over the socket that is its standard
/// input, and ends when that is closed.
pub fn worker_main() -> ExitCode {
    // What a panic says may quote the document, and nothing of a document leaves a worker but the answer.
    std::panic::set_hook(Box::new(|_| {}));
    let reader = std::thread::Builder::new().name("reader".into()).stack_size(lock::STACK).spawn(run);
    match reader.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        Ok(Ok(Err(error))) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::FAILURE,
    }
}

fn run() -> Result<(), Error> {
    let talk = |source: io::Error| Error::LockDown { step: "the socket to the parent", source };
    let socket = io::stdin().as_fd().try_clone_to_owned().map_err(talk)?;
    let mut stream = UnixStream::from(socket);
    let limits = channel::receive(&mut stream, 4096, None).map_err(talk)?;
    let invalid = || talk(io::ErrorKind::InvalidData.into());
    let limits = wire::decode_limits(&limits).ok_or_else(invalid)?;
    lock::lock_down(&limits)?;
    channel::send(&mut stream, READY).map_err(talk)?;
    // A parent that is gone is an ordinary end.
    let _ = answer_all(&mut stream, &limits);
    Ok(())
}

fn answer_all(stream: &mut UnixStream, limits: &Limits) -> io::Result<()> {
    while let Some(file) = channel::receive_file(stream)? {
        lock::allow_processor_time(limits.cpu_seconds)?;
        let document = crate::extract::extract_bytes(&file.name, &file.content, &file.passwords, limits);
        channel::send(stream, &wire::encode(&document))?;
    }
    Ok(())
}
