//! What the kernel says of processes that are running: a worker, and the server of this data directory.

use std::collections::HashSet;
use std::fs;
use std::io;

use carrel_ingest::Workers;

use super::Lock;
use crate::airgap::probe::Outcome;
use crate::config::Config;
use crate::server::client;

/// Starts a worker and reads from the kernel what it is kept from.
pub fn worker(config: &Config) -> Lock {
    let workers = Workers::new(config.workers());
    let (holds, evidence) = match workers.with_worker(|process| kernel_words(process, process)) {
        Err(error) => (false, crate::chain(&error)),
        Ok(Err(error)) => (false, format!("the worker ended: {error}")),
        Ok(Ok(words)) => (words.filtered(), words.to_string()),
    };
    Lock {
        name: "worker".to_owned(),
        lock: "what reads a file has no network and no privileges to gain".to_owned(),
        holds,
        evidence,
        required: true,
    }
}

/// The server that is running on this data directory, if one is.
pub fn server(config: &Config) -> Vec<Lock> {
    let Some(process) = client::serving_process(&config.data_dir) else { return Vec::new() };
    let lock = |name: &str, lock: &str, (holds, evidence)| Lock {
        name: name.to_owned(),
        lock: lock.to_owned(),
        holds,
        evidence,
        required: true,
    };
    let mut locks = vec![
        lock("server-threads", "every thread of the running server is filtered", threads(process)),
        lock("server-sockets", "it has one listener, on loopback, and its connections", sockets(process)),
    ];
    let inside: Result<Vec<Outcome>, _> = client::request(&config.data_dir, "GET", "/library/locks");
    match inside {
        Ok(outcomes) => locks.extend(outcomes.into_iter().map(|outcome| {
            let name = format!("server-{}", outcome.name);
            lock(&name, "tried in the running server itself", (outcome.holds, outcome.evidence))
        })),
        Err(error) => locks.push(lock(
            "server-inside",
            "tried in the running server itself",
            (false, crate::chain(&error)),
        )),
    }
    locks
}

fn threads(process: u32) -> (bool, String) {
    let check = || -> io::Result<(bool, String)> {
        let mut count = 0;
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let id = thread?.file_name().to_string_lossy().parse().map_err(io::Error::other)?;
            let words = kernel_words(process, id)?;
            if !words.filtered() {
                return Ok((false, format!("thread {id}: {words}")));
            }
            count += 1;
        }
        Ok((true, format!("process {process}, {count} threads: seccomp filter, no new privileges")))
    };
    check().unwrap_or_else(|error| (false, format!("process {process} cannot be looked at: {error}")))
}

/// Judges the sockets that a process holds, from the kernel's tables.
fn sockets(process: u32) -> (bool, String) {
    match inet_sockets(process) {
        Err(error) => (false, format!("process {process} cannot be looked at: {error}")),
        Ok(found) => {
            let listeners = found.iter().filter(|socket| socket.listens).count();
            let outside = found.iter().filter(|socket| !socket.loopback).count();
            let others = found.iter().filter(|socket| socket.table != "tcp").count();
            let evidence = format!(
                "{listeners} listener, {} open connections; {outside} beyond loopback, {others} of another kind",
                found.len() - listeners
            );
            (listeners == 1 && outside == 0 && others == 0, evidence)
        }
    }
}

struct Socket {
    table: &'static str,
    listens: bool,
    loopback: bool,
}

fn inet_sockets(process: u32) -> io::Result<Vec<Socket>> {
    const LISTEN: &str = "0A";
    const LOOPBACK: &str = "0100007F:"; // 127.0.0.1 as /proc/net/tcp writes it on a little-endian machine
    let mut own = HashSet::new();
    for descriptor in fs::read_dir(format!("/proc/{process}/fd"))? {
        let Ok(target) = fs::read_link(descriptor?.path()) else { continue };
        let target = target.to_string_lossy();
        own.extend(
            target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned),
        );
    }
    let mut found = Vec::new();
    // Columns: number, local address, remote address, state, ..., inode (tenth).
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let Ok(text) = fs::read_to_string(format!("/proc/{process}/net/{table}")) else { continue };
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(state), Some(inode)) = (columns.get(1), columns.get(3), columns.get(9))
            else {
                continue;
            };
            if own.contains(*inode) {
                found.push(Socket {
                    table,
                    listens: *state == LISTEN,
                    loopback: local.starts_with(LOOPBACK),
                });
            }
        }
    }
    Ok(found)
}

/// What `/proc/PID/task/TID/status` says of the locks on a thread.
struct Words {
    seccomp: String,
    no_new_privileges: String,
}

impl Words {
    fn filtered(&self) -> bool {
        self.seccomp == "2" && self.no_new_privileges == "1"
    }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the kernel says Seccomp: {}, NoNewPrivs: {}", self.seccomp, self.no_new_privileges)
    }
}

fn kernel_words(process: u32, thread: u32) -> io::Result<Words> {
    let status = fs::read_to_string(format!("/proc/{process}/task/{thread}/status"))?;
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or("unknown").trim().to_owned()
    };
    Ok(Words { seccomp: value("Seccomp"), no_new_privileges: value("NoNewPrivs") })
}
