//! What a worker gives up before it reads a file: limits of the process (`setrlimit(2)`) and, on Linux, every system
//! call but those that reading, computing and answering need (`seccomp(2)`).

use std::io;

use crate::{Error, Limits};

/// Stack of the thread that reads: deep nesting should be an ordinary failure long before this is used up.
pub(super) const STACK: usize = 256 << 20;
/// Address space beside the allowed memory for what allocators reserve without using.
const SLACK: u64 = 192 << 20;

/// Shuts the process in. It cannot be undone.
pub(super) fn lock_down(limits: &Limits) -> Result<(), Error> {
    let step = |step: &'static str| move |source: io::Error| Error::LockDown { step, source };
    let space = address_space().unwrap_or(4 << 30) + limits.memory_bytes + SLACK;
    set_limit(libc::RLIMIT_AS, space, space).map_err(step("memory"))?;
    set_limit(libc::RLIMIT_FSIZE, 0, 0).map_err(step("file size"))?;
    set_limit(libc::RLIMIT_CORE, 0, 0).map_err(step("core files"))?;
    set_limit(libc::RLIMIT_NOFILE, 32, 32).map_err(step("open files"))?;
    #[cfg(target_os = "linux")]
    calls::restrict().map_err(step("system calls"))?;
    match holds() {
        true => Ok(()),
        false => Err(step("system calls")(io::Error::other("the lock is in place but does not hold"))),
    }
}

/// Tries what the lock forbids. A worker that succeeds must not read anything.
fn holds() -> bool {
    if cfg!(not(target_os = "linux")) {
        return true;
    }
    let opens = std::fs::File::open("/proc/self/status").is_ok() || std::fs::File::open("/").is_ok();
    let connects =
        std::net::UdpSocket::bind("127.0.0.1:0").is_ok() || std::os::unix::net::UnixStream::pair().is_ok();
    let starts = std::process::Command::new("/bin/true").spawn().is_ok();
    !(opens || connects || starts)
}

#[expect(clippy::unnecessary_cast, reason = "its type is another one elsewhere")]
const UNLIMITED: u64 = libc::RLIM_INFINITY as u64;

/// Allows the process that much more processor time from now on.
pub(super) fn allow_processor_time(seconds: u64) -> io::Result<()> {
    // SAFETY: `rusage` is a plain C structure, and the call only writes to it.
    let used = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::getrusage(libc::RUSAGE_SELF, &mut usage) != 0 {
            return Err(io::Error::last_os_error());
        }
        (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) as u64
    };
    set_limit(libc::RLIMIT_CPU, used + seconds + 1, UNLIMITED)
}

/// Limits the address space, and takes away writing to files.
pub(super) fn limit_memory(bytes: u64) -> io::Result<()> {
    set_limit(libc::RLIMIT_AS, bytes, bytes)?;
    set_limit(libc::RLIMIT_FSIZE, 0, 0)
}

/// A filter that denies every socket, for programs that must be free to do the rest.
#[cfg(target_os = "linux")]
pub(super) fn no_network() -> Option<seccompiler::BpfProgram> {
    calls::no_network().ok()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

fn set_limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft as libc::rlim_t, rlim_max: hard as libc::rlim_t };
    // SAFETY: the call only reads `limit`.
    match unsafe { libc::setrlimit(resource, &limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The address space that the process has now, in bytes.
fn address_space() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').next()?.parse().ok()?;
    // SAFETY: the call has no arguments in memory.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page).ok()?)
}

#[cfg(target_os = "linux")]
mod calls {
    use std::collections::BTreeMap;
    use std::io;

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    /// Denies every call that is not in the list, in all threads; a denied call fails with `EPERM`.
    pub(super) fn restrict() -> io::Result<()> {
        let program = filter().map_err(io::Error::other)?;
        seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)
    }

    fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            allowed().into_iter().map(|call| (call, Vec::new())).collect();
        // Memory may be mapped, but never as code.
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            let no_code = SeccompCondition::new(
                2,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64),
                0,
            )?;
            rules.insert(call, vec![SeccompRule::new(vec![no_code])?]);
        }
        let arch = std::env::consts::ARCH.try_into()?;
        SeccompFilter::new(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow, arch)?
            .try_into()
    }

    pub(super) fn no_network() -> Result<BpfProgram, seccompiler::BackendError> {
        let denied = [libc::SYS_socket, libc::SYS_socketpair, libc::SYS_connect, libc::SYS_io_uring_setup];
        let rules = denied.into_iter().map(|call| (call, Vec::new())).collect();
        let arch = std::env::consts::ARCH.try_into()?;
        SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32), arch)?
            .try_into()
    }

    fn allowed() -> Vec<i64> {
        let mut calls = vec![
            libc::SYS_read,
            libc::SYS_readv,
            libc::SYS_pread64,
            libc::SYS_lseek,
            libc::SYS_fstat,
            libc::SYS_write,
            libc::SYS_writev,
            libc::SYS_recvfrom,
            libc::SYS_sendto,
            libc::SYS_close,
            libc::SYS_munmap,
            libc::SYS_mremap,
            libc::SYS_madvise,
            libc::SYS_brk,
            libc::SYS_futex,
            libc::SYS_exit,
            libc::SYS_exit_group,
            libc::SYS_rt_sigaction,
            libc::SYS_rt_sigprocmask,
            libc::SYS_rt_sigreturn,
            libc::SYS_sigaltstack,
            libc::SYS_restart_syscall,
            libc::SYS_getrandom,
            libc::SYS_clock_gettime,
            libc::SYS_clock_nanosleep,
            libc::SYS_nanosleep,
            libc::SYS_sched_yield,
            libc::SYS_sched_getaffinity,
            libc::SYS_gettid,
            libc::SYS_getpid,
            libc::SYS_tgkill,
            libc::SYS_getrusage,
            libc::SYS_prlimit64,
            libc::SYS_ppoll,
        ];
        #[cfg(target_arch = "x86_64")]
        calls.extend([libc::SYS_poll, libc::SYS_setrlimit, libc::SYS_time]);
        calls
    }
}
