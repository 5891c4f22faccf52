//! The second wall, where the kernel has one (Landlock, Linux 5.13 and later; its TCP rules from 6.7).

use std::path::PathBuf;

use ::landlock::{
    ABI, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// The newest rules that Carrel knows of; an older kernel enforces those that it has.
const NEWEST: ABI = ABI::V7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Every rule asked for is enforced.
    Fully,
    /// The kernel is older and enforces some of them.
    Partly,
    /// The kernel has no Landlock, or it is switched off.
    NotOffered,
}

/// From now on this thread and those it starts write only below `writable`, open and accept no TCP port of
/// their own, connect to none, and signal or reach by abstract socket no process but their own.
///
/// Reading and executing stay free: documents lie anywhere, and workers and tesseract are programs.
pub fn restrict(writable: &[PathBuf]) -> Result<Holds, RulesetError> {
    let writes = AccessFs::from_write(NEWEST);
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writes)?
        .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(writable, writes))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Holds::Fully,
        RulesetStatus::PartiallyEnforced => Holds::Partly,
        _ => Holds::NotOffered,
    })
}

/// The version of Landlock that the running kernel offers; `None` without it.
pub fn offered() -> Option<u32> {
    const VERSION: libc::c_uint = 1; // LANDLOCK_CREATE_RULESET_VERSION
    // SAFETY: with a null attribute of size 0 and this flag the call reads no memory and only returns a
    // number.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, VERSION) };
    u32::try_from(version).ok().filter(|&version| version > 0)
}
