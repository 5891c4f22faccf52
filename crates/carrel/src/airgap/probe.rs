//! Attempts to break the locks, each made in a process of its own: `carrel probe NAME`.
//!
//! A probe prepares what an intruder in the server could have (a socket from before, a thread from before),
//! applies the same locks as `carrel serve`, and attacks. Its output is one line of evidence; it succeeds
//! when it was refused. A probe that the kernel kills has been refused as well.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::thread;

use serde::{Deserialize, Serialize};

use super::{Locks, landlock, lock};

/// A lock as `carrel doctor` shows it, and what is tried against it.
pub struct Probe {
    pub name: &'static str,
    pub lock: &'static str,
    /// Whether every kernel that Carrel runs on can hold it.
    pub required: bool,
    attack: Attack,
}

type Attack = fn() -> Result<Refused, Broken>;

/// What the kernel answered; the lock holds.
pub struct Refused(String);

/// Why the lock cannot be said to hold.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("{0} succeeded")]
    Succeeded(String),
    #[error("{call} failed for another reason: {source}")]
    OtherError { call: String, source: io::Error },
    #[error("could not set up the attempt")]
    SetUp(#[from] io::Error),
    #[error("could not lock")]
    Lock(#[from] super::Error),
    #[error("the kernel offers no Landlock")]
    NotOffered,
}

/// In the order in which they are shown.
pub const PROBES: &[Probe] = &[
    wall("socket", "no socket outside AF_UNIX can be made", socket),
    wall("socket-x32", "nor through the x32 system calls", socket_x32),
    wall("socket-i386", "nor through the 32-bit system calls", socket_i386),
    wall("thread", "nor by a thread that was there before", thread_from_before),
    wall("program", "nor by a program that is started", started_program),
    wall("connect", "a socket from before cannot be connected", connect),
    wall("listener", "the listener cannot be turned into a client", reuse_listener),
    wall("fast-open", "nor connected by sending (TCP fast open)", fast_open),
    wall("io-uring", "io_uring is off", io_uring),
    wall("steal", "no socket can be taken out of another process", steal),
    wall("hand-in", "nor be handed in by one", handed_in),
    second_wall("landlock-tcp", "Landlock alone refuses TCP too", landlock_tcp),
    second_wall("landlock-write", "no file is written outside the data directory", landlock_write),
    wall("accept", "the listener goes on accepting", still_accepts),
];

const fn wall(name: &'static str, lock: &'static str, attack: Attack) -> Probe {
    Probe { name, lock, required: true, attack }
}

const fn second_wall(name: &'static str, lock: &'static str, attack: Attack) -> Probe {
    Probe { name, lock, required: false, attack }
}

/// What `carrel probe NAME` does. `bare-socket` attacks without locking first: it shows what was inherited.
pub fn main(name: &str) -> ExitCode {
    let result = match (name, PROBES.iter().find(|probe| probe.name == name)) {
        ("bare-socket", _) => inet_socket_is_refused(),
        (_, Some(probe)) => (probe.attack)(),
        (_, None) => {
            eprintln!("there is no probe named `{name}`");
            return ExitCode::from(2);
        }
    };
    let (code, line) = match result {
        Ok(Refused(evidence)) => (ExitCode::SUCCESS, evidence),
        Err(broken) => (ExitCode::FAILURE, crate::chain(&broken)),
    };
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What came of an attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub name: String,
    pub holds: bool,
    pub evidence: String,
}

/// Makes an attempt by starting `program` again.
pub fn run(program: &Path, probe: &Probe) -> Outcome {
    use std::os::unix::process::ExitStatusExt;
    let (holds, evidence) = match Command::new(program).args(["probe", probe.name]).output() {
        Err(error) => (false, format!("could not start the probe: {error}")),
        Ok(output) => match output.status.signal() {
            Some(libc::SIGSYS) => (true, "the kernel killed the attempt (SIGSYS)".to_owned()),
            Some(signal) => (false, format!("the probe died of signal {signal}")),
            None => (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        },
    };
    Outcome { name: probe.name.to_owned(), holds, evidence }
}

/// The attempts that can be made inside a serving process without doing harm, whatever comes of them.
pub fn from_inside() -> Vec<Outcome> {
    [("socket", inet_socket_is_refused()), ("io-uring", io_uring_is_refused())]
        .into_iter()
        .map(|(name, result)| {
            let (holds, evidence) = match result {
                Ok(Refused(evidence)) => (true, evidence),
                Err(broken) => (false, crate::chain(&broken)),
            };
            Outcome { name: name.to_owned(), holds, evidence }
        })
        .collect()
}

fn lock_as_served() -> Result<(), Broken> {
    lock(&Locks { writable: super::writable(&std::env::temp_dir()) })?;
    Ok(())
}

fn socket() -> Result<Refused, Broken> {
    lock_as_served()?;
    let families: Vec<libc::c_int> = (1..=45).filter(|&family| family != libc::AF_UNIX).collect();
    for &family in &families {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW] {
            // SAFETY: `socket` takes three numbers; the descriptor, if there should be one, ends with the
            // process.
            let made = unsafe { libc::socket(family, kind, 0) };
            refused(&format!("socket({family}, {kind})"), made.into(), libc::EPERM)?;
        }
    }
    Ok(Refused(format!("socket() in {} families, of 3 kinds each: operation not permitted", families.len())))
}

fn inet_socket_is_refused() -> Result<Refused, Broken> {
    // SAFETY: as above; a descriptor that should not exist is closed again.
    let made = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if made >= 0 {
        // SAFETY: `made` is an open descriptor that nothing else knows.
        unsafe { libc::close(made) };
    }
    refused("socket(AF_INET)", made.into(), libc::EPERM)
}

#[cfg(target_arch = "x86_64")]
fn socket_x32() -> Result<Refused, Broken> {
    const X32_BIT: libc::c_long = 0x4000_0000;
    lock_as_served()?;
    // SAFETY: `socket` takes three numbers, under whichever number it is called.
    let made = unsafe { libc::syscall(libc::SYS_socket | X32_BIT, libc::AF_INET, libc::SOCK_STREAM, 0) };
    refused("socket(AF_INET) by its x32 number", made, libc::EPERM)
}

#[cfg(target_arch = "x86_64")]
fn socket_i386() -> Result<Refused, Broken> {
    const SOCKET: i64 = 359; // in the 32-bit table
    lock_as_served()?;
    let made: i64;
    // SAFETY: the 32-bit `socket` takes its three numbers in ebx, ecx and edx and touches no memory; ebx,
    // which the compiler keeps for itself, is put back. r8 to r11 are not preserved by this entry.
    unsafe {
        std::arch::asm!(
            "xchg {first}, rbx", "int 0x80", "xchg {first}, rbx",
            first = inout(reg) libc::AF_INET as i64 => _,
            inout("rax") SOCKET => made,
            in("rcx") libc::SOCK_STREAM as i64,
            in("rdx") 0i64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    match made {
        0.. => Err(Broken::Succeeded("socket(AF_INET) by its 32-bit number".to_owned())),
        error => {
            Ok(Refused(format!("32-bit socket(AF_INET): {}", io::Error::from_raw_os_error(-error as i32))))
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn socket_x32() -> Result<Refused, Broken> {
    Ok(Refused("this architecture has no second system-call table".to_owned()))
}

#[cfg(not(target_arch = "x86_64"))]
fn socket_i386() -> Result<Refused, Broken> {
    lock_as_served()?;
    Ok(Refused("calls of another architecture end the process".to_owned()))
}

fn thread_from_before() -> Result<Refused, Broken> {
    let (go, wait) = mpsc::channel::<()>();
    let before = thread::spawn(move || {
        let _locked = wait.recv();
        inet_socket_is_refused()
    });
    lock_as_served()?;
    drop(go);
    before.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked").into()))
}

fn started_program() -> Result<Refused, Broken> {
    lock_as_served()?;
    let output = Command::new(std::env::current_exe()?).args(["probe", "bare-socket"]).output()?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() {
        true => Ok(Refused(format!("in a started program, {line}"))),
        false => Err(Broken::Succeeded(line)),
    }
}

fn connect() -> Result<Refused, Broken> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let socket = unconnected()?;
    lock_as_served()?;
    connect_to(socket, listener.local_addr()?.port(), libc::EPERM)
}

fn reuse_listener() -> Result<Refused, Broken> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    lock_as_served()?;
    let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: `nowhere` is a valid address of the length given and outlives the call.
    let undone = unsafe { libc::connect(listener.as_raw_fd(), &nowhere, length) };
    refused("connect(listener, AF_UNSPEC)", undone.into(), libc::EPERM)
}

fn fast_open() -> Result<Refused, Broken> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let socket = unconnected()?;
    lock_as_served()?;
    let address = loopback(listener.local_addr()?.port());
    let mut address = address;
    let mut byte = 0u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: all-zero is a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut address).cast();
    message.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    // SAFETY: the message points at one address and one byte, all of which outlive both calls.
    let (by_message, by_address) = unsafe {
        let by_message = libc::sendmsg(socket, &message, libc::MSG_FASTOPEN);
        let error = io::Error::last_os_error();
        if by_message < 0 && error.raw_os_error() != Some(libc::EPERM) {
            return Err(Broken::OtherError { call: "sendmsg(MSG_FASTOPEN)".to_owned(), source: error });
        }
        let by_address = libc::sendto(
            socket,
            (&raw const byte).cast(),
            1,
            libc::MSG_FASTOPEN,
            (&raw const address).cast(),
            message.msg_namelen,
        );
        (by_message, by_address)
    };
    if by_message >= 0 {
        return Err(Broken::Succeeded("sendmsg(MSG_FASTOPEN)".to_owned()));
    }
    refused("sendto and sendmsg with MSG_FASTOPEN", by_address as libc::c_long, libc::EPERM)
}

fn io_uring() -> Result<Refused, Broken> {
    lock_as_served()?;
    io_uring_is_refused()
}

fn io_uring_is_refused() -> Result<Refused, Broken> {
    let mut parameters = [0u8; 120]; // struct io_uring_params
    // SAFETY: the call writes at most those 120 bytes, which outlive it.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    if ring >= 0 {
        // SAFETY: `ring` is an open descriptor that nothing else knows.
        unsafe { libc::close(ring as libc::c_int) };
    }
    refused("io_uring_setup()", ring, libc::EPERM)
}

fn steal() -> Result<Refused, Broken> {
    // SAFETY: takes two numbers; the descriptor ends with the process.
    let own = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
    lock_as_served()?;
    // SAFETY: takes three numbers; the descriptor, if any, ends with the process.
    let taken = unsafe { libc::syscall(libc::SYS_pidfd_getfd, own, 0, 0) };
    refused("pidfd_getfd()", taken, libc::EPERM)
}

fn handed_in() -> Result<Refused, Broken> {
    let (ours, _theirs) = UnixStream::pair()?;
    lock_as_served()?;
    // SAFETY: all-zero is a valid `msghdr`, which has room for nothing and outlives the call.
    let received = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        libc::recvmsg(ours.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT)
    };
    refused("recvmsg()", received as libc::c_long, libc::EPERM)
}

fn landlock_tcp() -> Result<Refused, Broken> {
    if landlock::offered().is_none_or(|version| version < 4) {
        return Err(Broken::NotOffered);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let socket = unconnected()?;
    landlock::restrict(&super::writable(&std::env::temp_dir())).map_err(super::Error::from)?;
    connect_to(socket, listener.local_addr()?.port(), libc::EACCES)
}

fn landlock_write() -> Result<Refused, Broken> {
    if landlock::offered().is_none() {
        return Err(Broken::NotOffered);
    }
    let outside = tempfile::tempdir()?;
    let inside = tempfile::tempdir_in(outside.path())?;
    let attempt = outside.path().join("letter.txt");
    let undo = attempt.clone();
    // Only a thread is locked, so that the directories can still be removed.
    let result = thread::spawn(move || -> Result<Refused, Broken> {
        landlock::restrict(&[inside.path().to_path_buf()]).map_err(super::Error::from)?;
        std::fs::write(inside.path().join("catalog"), b"allowed")?;
        match std::fs::write(&attempt, b"leak") {
            Ok(()) => Err(Broken::Succeeded("writing outside".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Ok(Refused(format!("creating a file outside: {error}")))
            }
            Err(source) => Err(Broken::OtherError { call: "creating a file outside".to_owned(), source }),
        }
    })
    .join()
    .unwrap_or_else(|_| Err(io::Error::other("the thread panicked").into()));
    let _gone = std::fs::remove_file(undo);
    result
}

fn still_accepts() -> Result<Refused, Broken> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut waiting = TcpStream::connect(listener.local_addr()?)?;
    lock_as_served()?;
    let (mut accepted, _) = listener.accept()?;
    accepted.write_all(b"page")?;
    let mut page = [0; 4];
    io::Read::read_exact(&mut waiting, &mut page)?;
    Ok(Refused("a connection was accepted and answered after locking".to_owned()))
}

fn unconnected() -> io::Result<libc::c_int> {
    // SAFETY: takes three numbers; the descriptor ends with the process.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

fn loopback(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
        sin_zero: [0; 8],
    }
}

fn connect_to(socket: libc::c_int, port: u16, expected: libc::c_int) -> Result<Refused, Broken> {
    let address = loopback(port);
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: `address` is a valid address of the length given and outlives the call.
    let connected = unsafe { libc::connect(socket, (&raw const address).cast(), length) };
    refused("connect() to an open port of this machine", connected.into(), expected)
}

/// Judges what a system call returned; reads `errno`, so nothing may come between.
fn refused(call: &str, returned: libc::c_long, expected: libc::c_int) -> Result<Refused, Broken> {
    let error = io::Error::last_os_error();
    match returned {
        0.. => Err(Broken::Succeeded(call.to_owned())),
        _ if error.raw_os_error() == Some(expected) => Ok(Refused(format!("{call}: {error}"))),
        _ => Err(Broken::OtherError { call: call.to_owned(), source: error }),
    }
}
