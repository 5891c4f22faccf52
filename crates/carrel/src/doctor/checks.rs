//! What Carrel uses: the data directory, models, programs, the kernel.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use carrel_models::Store;

use super::Check;
use crate::airgap::landlock;
use crate::audit;
use crate::config::Config;
use crate::library::Library;
use crate::server::client;

/// Less than this and reading a folder may end half way.
const LITTLE_SPACE: u64 = 2 << 30;

pub fn all(config: &Config) -> Vec<Check> {
    let check = |name, (ok, detail)| Check { name, ok, detail };
    let reranker = config.reranker.as_ref().map(|reranker| check("reranker", model(config, reranker)));
    let mut checks = vec![
        check("data directory", data_directory(&config.data_dir)),
        check("disk", disk(&config.data_dir)),
        check("generator", model(config, &config.generator)),
        check("embedder", model(config, &config.embedder)),
        check("audit log", audit_log(config)),
        check("tesseract", program("tesseract", "--version", "pages that are pictures stay unread")),
        check("pdftoppm", program("pdftoppm", "-v", "pages that are pictures stay unread")),
        check("kernel", kernel()),
        check("landlock", offered_landlock()),
    ];
    checks.extend(reranker);
    checks
}

fn data_directory(path: &Path) -> (bool, String) {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return (false, format!("`{}`: {error}", path.display())),
    };
    let mode = metadata.permissions().mode() & 0o777;
    // SAFETY: asks for a number and cannot fail.
    let own = metadata.uid() == unsafe { libc::geteuid() };
    let owner = if own { "yours" } else { "somebody else's" };
    (own && mode & 0o077 == 0, format!("`{}`, mode {mode:o}, {owner}", path.display()))
}

fn disk(path: &Path) -> (bool, String) {
    let Ok(name) = CString::new(path.as_os_str().as_bytes()) else {
        return (false, "the path cannot be asked about".to_owned());
    };
    // SAFETY: all-zero is a valid `statvfs`.
    let mut space: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `name` ends in a zero byte, `space` is written by the call, and both outlive it.
    if unsafe { libc::statvfs(name.as_ptr(), &raw mut space) } != 0 {
        return (false, std::io::Error::last_os_error().to_string());
    }
    let free = space.f_bavail * space.f_frsize;
    (free >= LITTLE_SPACE, format!("{:.1} GB free", free as f64 / 1e9))
}

fn model(config: &Config, name: &str) -> (bool, String) {
    if Path::new(name).is_file() {
        return (true, format!("`{name}`"));
    }
    let found = Store::open(&config.models_dir).and_then(|store| store.get(name));
    match found {
        Ok(manifest) => {
            let bytes: u64 = manifest.files.iter().map(|(_, _, bytes)| bytes).sum();
            (true, format!("{name}, {:.2} GB", bytes as f64 / 1e9))
        }
        Err(_) => (false, format!("{name} is not here; `carrel models pull {name}` fetches it")),
    }
}

fn audit_log(config: &Config) -> (bool, String) {
    if client::serving_process(&config.data_dir).is_some() {
        return match client::request::<(bool, String)>(&config.data_dir, "GET", "/library/audit") {
            Ok(described) => described,
            Err(error) => (false, crate::chain(&error)),
        };
    }
    let report = Library::open(config.clone()).and_then(|library| Ok(library.index().verify_audit()?));
    match report {
        Ok(report) => audit::describe(&report),
        Err(error) => (false, format!("not checked: {}", crate::chain(&error))),
    }
}

fn program(name: &str, version: &str, without: &str) -> (bool, String) {
    match Command::new(name).arg(version).output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            (true, said.lines().next().unwrap_or(name).trim().to_owned())
        }
        Err(_) => (false, format!("not installed: {without}")),
    }
}

fn kernel() -> (bool, String) {
    match fs::read_to_string("/proc/sys/kernel/osrelease") {
        Ok(release) => (true, format!("Linux {}", release.trim())),
        Err(error) => (false, error.to_string()),
    }
}

fn offered_landlock() -> (bool, String) {
    match landlock::offered() {
        Some(version @ 4..) => (true, format!("version {version}: files and TCP")),
        Some(version) => (false, format!("version {version}: files only; TCP rules need Linux 6.7")),
        None => (false, "not offered by this kernel: only the socket filter protects".to_owned()),
    }
}
