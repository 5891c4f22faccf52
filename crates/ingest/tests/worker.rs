//! Workers as real processes: this test program starts itself again as a worker.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carrel_corpus::Outcome;
use carrel_ingest::{Limits, Workers, WorkersConfig, extract, worker_main};

/// Not a test of its own: what the other tests start as a worker. Started with all the others it does nothing.
#[test]
fn worker_process() {
    let is_worker = std::env::args().any(|argument| argument == "--nocapture")
        && std::env::args().any(|argument| argument == "worker_process");
    if is_worker && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        worker_main();
    }
}

fn workers(limits: Limits) -> Workers {
    Workers::new(WorkersConfig {
        program: std::env::current_exe().expect("this program"),
        args: ["worker_process", "--exact", "--nocapture"].map(str::to_owned).to_vec(),
        count: 2,
        limits,
    })
}

/// A folder of files for one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("writes a file");
        path
    }
}

fn failure(workers: &Workers, path: &Path) -> String {
    match workers.extract(path).outcome {
        Outcome::Failed { reason } => reason,
        other => panic!("expected a failure, not {other}"),
    }
}

#[test]
fn a_worker_reads_what_this_process_reads() {
    let folder = Folder::new();
    let page = b"<html><head><title>Lease</title></head><body><h1>Rent</h1><p>Due monthly.</p></body></html>";
    let path = folder.file("lease.html", page);
    let workers = workers(Limits::STANDARD);
    for _ in 0..3 {
        assert_eq!(workers.extract(&path), extract(&path, &Limits::STANDARD));
    }
}

#[test]
fn too_much_memory_costs_only_that_file() {
    let folder = Folder::new();
    let large = folder.file("large.txt", "all work and no play ".repeat(20 << 20).as_bytes());
    let small = folder.file("small.txt", b"hello");
    let workers = workers(Limits { memory_bytes: 1 << 20, ..Limits::STANDARD });
    assert_eq!(workers.extract(&small).text, "hello");
    assert_eq!(failure(&workers, &large), "needed more than 1 MB of memory");
    assert_eq!(workers.extract(&small).text, "hello");
}

#[test]
fn a_slow_file_is_given_up() {
    let folder = Folder::new();
    let slow = folder.file("slow.html", "<p>a<b><i>".repeat(400_000).as_bytes());
    let small = folder.file("small.txt", b"hello");
    let workers = workers(Limits { wall: Duration::from_millis(60), ..Limits::STANDARD });
    let started = Instant::now();
    assert!(failure(&workers, &slow).starts_with("took longer"));
    assert!(started.elapsed() < Duration::from_secs(20));
    // Whether a new worker answers in so short a time depends on the machine; it must not say anything else.
    match workers.extract(&small).outcome {
        Outcome::Indexed => {}
        Outcome::Failed { reason } => assert!(reason.starts_with("took longer")),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_no_file_has_an_outcome() {
    let folder = Folder::new();
    let workers = workers(Limits { file_bytes: 1 << 10, ..Limits::STANDARD });
    assert_eq!(failure(&workers, &folder.0.path().join("gone.txt")), "the file is gone");
    let large = folder.file("large.txt", &[b'a'; 2000]);
    assert_eq!(workers.extract(&large).outcome, Outcome::TooLarge { limit: "over 1 KB".into() });
    let kind = "not a regular file".to_owned();
    assert_eq!(workers.extract(folder.0.path()).outcome, Outcome::Unsupported { kind });
}

#[test]
fn a_program_that_is_no_worker_is_named() {
    let folder = Folder::new();
    let file = folder.file("a.txt", b"hello");
    let workers = Workers::new(WorkersConfig {
        program: "no-such-program".into(),
        args: Vec::new(),
        count: 1,
        limits: Limits::STANDARD,
    });
    assert_eq!(failure(&workers, &file), "could not start the worker `no-such-program`");
}

#[test]
fn threads_share_the_pool() {
    let folder = Folder::new();
    let files: Vec<PathBuf> =
        (0..40).map(|n| folder.file(&format!("{n}.txt"), format!("file number {n}").as_bytes())).collect();
    let workers = workers(Limits::STANDARD);
    let workers = &workers;
    std::thread::scope(|scope| {
        for part in files.chunks(10) {
            scope.spawn(move || {
                for path in part {
                    let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
                    assert_eq!(workers.extract(path).text, format!("file number {stem}"));
                }
            });
        }
    });
}
