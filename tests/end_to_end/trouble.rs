//! A disk that is full, read-only or broken: a clear message, and nothing is lost.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::desk::{Desk, Random};

/// A small disk of its own, unmounted when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// None, loudly, where this user may not mount one.
    fn mount(at: PathBuf, size: &str) -> Option<Disk> {
        std::fs::create_dir(&at).unwrap();
        let options = format!("size={size},mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Disk(at));
        }
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = writeln!(std::io::stderr(), "LEFT OUT: {test} must be allowed to mount a small disk");
        None
    }

    fn remount(&self, how: &str) {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status().unwrap();
        assert!(status.success(), "the disk can be mounted {how}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that was just killed may still be in it.
        for _ in 0..50 {
            if Command::new("umount")
                .arg(&self.0)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
            {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

fn add(desk: &Desk, data: &Path) -> Output {
    desk.command_in(data, &["add", desk.folder().to_str().unwrap()]).output().unwrap()
}

/// Whether it failed with words for a person: what went wrong, and what to do.
fn is_clear(output: &Output, words: &str) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    output.status.code() == Some(1) && said.contains(words) && !said.contains("internal error")
}

fn write_notes(desk: &Desk, range: std::ops::Range<usize>) {
    for n in range {
        // No two words alike, so that an index of them takes room.
        let mut random = Random(n as u64);
        let words: Vec<String> = (0..40).map(|_| format!("w{:x}", random.below(1 << 30))).collect();
        desk.write(&format!("note{n}.txt"), format!("The heron note{n}.\n\n{}", words.join(" ")));
    }
}

/// What was read before is there, and reading to the end gives what a library without any trouble has.
fn recovers(desk: &Desk, data: &Path) {
    let output = add(desk, data);
    assert!(output.status.success(), "{output:?}");
    let fresh = desk.folder().with_file_name("fresh");
    desk.json_in(&fresh, &["add", desk.folder().to_str().unwrap()]);
    assert_eq!(desk.ledger(data), desk.ledger(&fresh));
    for query in ["note3", "heron", "note55"] {
        assert_eq!(desk.found(data, query), desk.found(&fresh, query), "{query}");
    }
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let Some(desk) = Desk::new() else { return };
    let Some(disk) = Disk::mount(desk.folder().with_file_name("disk"), "64m") else { return };
    let data = disk.0.join("data");
    write_notes(&desk, 0..20);
    assert!(add(&desk, &data).status.success());
    let before = desk.ledger(&data);
    let filler = disk.0.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let room = file.metadata().unwrap().len().saturating_sub(128 << 10);
    file.set_len(room).unwrap();
    write_notes(&desk, 20..120);
    let output = add(&desk, &data);
    assert!(is_clear(&output, "no space is left for the library"), "{output:?}");
    assert!(is_clear(&output, "hint: free some disk space"), "{output:?}");
    drop(file);
    std::fs::remove_file(filler).unwrap();
    let after = desk.ledger(&data);
    assert!(before.iter().all(|line| after.contains(line)), "nothing that was read is lost");
    recovers(&desk, &data);
}

#[test]
fn a_read_only_disk_is_named_and_loses_nothing() {
    let Some(desk) = Desk::new() else { return };
    let Some(disk) = Disk::mount(desk.folder().with_file_name("disk"), "64m") else { return };
    let data = disk.0.join("data");
    write_notes(&desk, 0..5);
    assert!(add(&desk, &data).status.success());
    disk.remount("ro");
    write_notes(&desk, 5..60);
    for command in [vec!["search", "heron"], vec!["add", desk.folder().to_str().unwrap()], vec!["status"]] {
        let output = desk.command_in(&data, &command).output().unwrap();
        assert!(
            is_clear(&output, "hint: check that the data directory exists and is yours to write"),
            "{output:?}"
        );
    }
    disk.remount("rw");
    recovers(&desk, &data);
}

#[test]
fn an_error_of_the_disk_at_any_moment_is_told_and_loses_nothing() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        let _ = writeln!(
            std::io::stderr(),
            "LEFT OUT: errors of the disk are not tried, because strace is not installed"
        );
        return;
    }
    let Some(desk) = Desk::new() else { return };
    write_notes(&desk, 0..60);
    let fresh = desk.folder().with_file_name("expected");
    desk.json_in(&fresh, &["add", desk.folder().to_str().unwrap()]);
    let expected = desk.ledger(&fresh);
    let mut failures = 0;
    let faults = [
        ("pwrite64", "EIO", "3+"),
        ("pwrite64", "EIO", "40+"),
        ("pwrite64", "ENOSPC", "25+"),
        ("fdatasync", "EIO", "1+"),
        ("fdatasync", "EIO", "3+"),
        ("fsync", "EIO", "2+"),
        ("rename", "EIO", "1+"),
        ("rename", "ENOSPC", "2+"),
        ("ftruncate", "EIO", "1+"),
        ("unlink", "EIO", "1+"),
        ("mkdir", "ENOSPC", "2+"),
    ];
    for (call, error, when) in faults {
        let data = desk.folder().with_file_name(format!("{call}-{error}-{when}"));
        let carrel = desk.command_in(&data, &["add", desk.folder().to_str().unwrap()]);
        let output = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:error={error}:when={when}")])
            .arg(carrel.get_program())
            .args(carrel.get_args())
            .envs(carrel.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let what = format!("{call} {error} {when}: {} {said}", output.status);
        match output.status.code() {
            Some(0) => {}
            Some(1) => {
                failures += 1;
                assert!(
                    said.contains("could not") || said.contains("no space") || said.contains("cannot"),
                    "{what}"
                );
            }
            _ => panic!("{what}"),
        }
        assert!(!said.contains("internal error"), "{what}");
        let output = add(&desk, &data);
        assert!(output.status.success(), "after {what}: {output:?}");
        assert_eq!(desk.ledger(&data), expected, "after {what}");
    }
    assert!(failures > faults.len() / 2, "most of these faults should be felt, and only {failures} were");
}
