//! The system-call filter: no new way to the network, for all threads.
//!
//! What must keep working is short: `accept` on the open listener, `read`, `write` and `send` on connections
//! that a browser on this machine opened, and pipes to worker processes. What a leak could use instead is
//! denied, including the less obvious ways: turning the listener into a client (`connect` with `AF_UNSPEC`,
//! then again with an address), TCP fast open, taking a socket out of another process, and the second
//! system-call tables of x86-64.
//!
//! Denied calls fail with `EPERM`; a call through the 32-bit table ends the process.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not build the filter for {}", std::env::consts::ARCH)]
    Build(#[from] seccompiler::BackendError),
    #[error(transparent)]
    Apply(#[from] seccompiler::Error),
}

/// Denied whatever their arguments.
const DENIED: &[libc::c_long] = &[
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_recvmsg, // the only way to be handed a descriptor (`SCM_RIGHTS`); streams are read without it
    libc::SYS_recvmmsg,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_pidfd_getfd,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
];

/// Installs the filter for all threads of the process; also sets `PR_SET_NO_NEW_PRIVS`.
pub fn restrict() -> Result<(), Error> {
    apply_filter_all_threads(&filter()?)?;
    #[cfg(target_arch = "x86_64")]
    apply_filter_all_threads(&deny_x32())?;
    Ok(())
}

fn filter() -> Result<BpfProgram, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let not_unix = || when(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64);
    rules.insert(libc::SYS_socket, vec![not_unix()?]);
    rules.insert(libc::SYS_socketpair, vec![not_unix()?]);
    let to_an_address = when(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_sendto, vec![to_an_address, fast_open(3)?]);
    rules.insert(libc::SYS_sendmsg, vec![fast_open(2)?]);
    rules.insert(libc::SYS_sendmmsg, vec![fast_open(3)?]);

    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, denied, arch)?.try_into()?)
}

/// `MSG_FASTOPEN` in the flags connects while sending.
fn fast_open(flags_argument: u8) -> Result<SeccompRule, Error> {
    let flag = libc::MSG_FASTOPEN as u64;
    when(flags_argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)
}

fn when(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, length, operator, value)?])?)
}

/// x32 shares x86-64's architecture number and marks its calls by bit 30 (`__X32_SYSCALL_BIT`), so that a
/// filter over plain numbers would let `socket` through under its x32 number. Nothing here uses x32: all of
/// it is denied.
#[cfg(target_arch = "x86_64")]
fn deny_x32() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    const NUMBER: u32 = 0; // offset of `nr` in `struct seccomp_data`
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let jump_if_set = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    let finish = (libc::BPF_RET | libc::BPF_K) as u16;
    let instruction = |code, jt, k| seccompiler::sock_filter { code, jt, jf: 0, k };
    vec![
        instruction(load, 0, NUMBER),
        instruction(jump_if_set, 1, X32_BIT),
        instruction(finish, 0, libc::SECCOMP_RET_ALLOW),
        instruction(finish, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ]
}
