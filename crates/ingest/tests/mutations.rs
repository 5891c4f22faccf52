//! Files that are damaged at random: each ends with an outcome, within the limits, and a document that keeps its
//! invariants.

mod fixtures;

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use carrel_corpus::{Document, Outcome};
use carrel_ingest::{Limits, Workers, WorkersConfig, extract, worker_main};
use fixtures::samples;

/// A small random generator (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below.max(1)
    }
}

/// Damages a copy of `bytes`; `other` is a file from which pieces may come.
fn mutated(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.next(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.next(bytes.len());
        match random.next(9) {
            0 => bytes.truncate(at),
            1 => bytes[at] = random.next(256) as u8,
            2 | 3 => bytes[at] ^= 1 << random.next(8),
            4 => {
                let end = (at + 1 + random.next(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + 1 + random.next(200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.next(bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => {
                let from = random.next(other.len());
                let end = (from + 1 + random.next(4096)).min(other.len());
                let to = (at + random.next(4096)).min(bytes.len());
                bytes.splice(at..to, other.get(from..end).unwrap_or_default().iter().copied());
            }
            7 => {
                // A block many times over.
                let end = (at + 1 + random.next(2048)).min(bytes.len());
                let copy = bytes[at..end].repeat(1 + random.next(64));
                bytes.splice(at..at, copy);
            }
            _ => {
                let digits = ["99999999999", "-1", "0", "4294967295"][random.next(4)];
                bytes.splice(at..at, digits.bytes());
            }
        }
    }
    bytes
}

/// Damages one part of a package and packs it again, so that the damage is not all the packing's: without its
/// compression nothing inside would be reached.
fn mutated_inside(bytes: &[u8], other: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let victim = random.next(archive.len());
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).ok()?;
        let mut content = Vec::new();
        part.read_to_end(&mut content).ok()?;
        if index == victim {
            content = mutated(&content, other, random);
        }
        let name = part.name().ok()?.into_owned();
        writer.start_file(name, zip::write::SimpleFileOptions::default()).ok()?;
        writer.write_all(&content).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}

fn check(document: &Document) {
    let mut end = 0;
    for block in &document.blocks {
        assert!(block.span.start >= end, "blocks are in order and do not overlap");
        assert!(!block.span.of(&document.text).trim().is_empty(), "a block has text");
        end = block.span.end;
    }
    if document.outcome.is_searchable() {
        assert!(!document.blocks.is_empty() || !document.members.is_empty());
    }
    for (name, member) in &document.members {
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."));
        check(member);
    }
}

#[test]
fn the_samples_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in samples() {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writes a file");
        let document = extract(&path, &Limits::STANDARD);
        assert_eq!(document.outcome, Outcome::Indexed, "{name}");
        check(&document);
    }
}

#[test]
fn damaged_files_have_an_outcome() {
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = Limits { text_bytes: 1 << 20, members: 50, ..Limits::STANDARD };
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for (name, bytes) in samples() {
            for _ in 0..150 {
                let path = folder.path().join(name);
                std::fs::write(&path, mutated(&bytes, b"other", &mut random)).expect("writes a file");
                check(&extract(&path, &limits));
            }
        }
    }));
    let _ = std::panic::take_hook();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// Not a test of its own: what the fuzzer starts as a worker. Started with all the others it does nothing.
#[test]
fn worker_process() {
    let is_worker = std::env::args().any(|argument| argument == "--nocapture")
        && std::env::args().any(|argument| argument == "worker_process");
    if is_worker && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        worker_main();
    }
}

#[test]
fn three_hundred_mutated_files_end_within_limits() {
    fuzz(300, 0x0bad_5eed);
}

#[test]
#[ignore = "takes half an hour: `cargo test --workspace -- --ignored ten_thousand_mutated_files`; files of the folder in \
            CARREL_FUZZ_FILES are mutated too"]
fn ten_thousand_mutated_files_end_within_limits() {
    fuzz(10_000, 0x0bad_cafe);
}

/// The documents that the project shows itself with, the small files of every format, and more if a person has some.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-docs")];
    folders.extend(std::env::var_os("CARREL_FUZZ_FILES").map(PathBuf::from));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of files") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let named = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read(path).expect("a readable file"))
    };
    let small = |(_, bytes): &(String, Vec<u8>)| bytes.len() < 4 << 20;
    let made = samples().into_iter().map(|(name, bytes)| (name.to_owned(), bytes));
    files.iter().map(named).filter(small).chain(made).collect()
}

/// Has a pool of workers read so many damaged files, and looks at what each costs.
fn fuzz(count: usize, seed: u64) {
    let corpus = corpus();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = Limits::STANDARD;
    let workers = Workers::new(WorkersConfig {
        program: std::env::current_exe().expect("this program"),
        args: ["worker_process", "--exact", "--nocapture"].map(str::to_owned).to_vec(),
        count: 2,
        limits: limits.clone(),
    });
    let next = Mutex::new((0, Random(seed)));
    let seen = Mutex::new((BTreeMap::<String, usize>::new(), Vec::<(Duration, String)>::new()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let (number, path) = {
                        let mut next = next.lock().expect("no panic here");
                        if next.0 == count {
                            return;
                        }
                        next.0 += 1;
                        let number = next.0;
                        let random = &mut next.1;
                        let (name, bytes) = &corpus[number % corpus.len()];
                        let (_, other) = &corpus[random.next(corpus.len())];
                        let inside = random.next(2) == 0;
                        let inside = inside.then(|| mutated_inside(bytes, other, random)).flatten();
                        let bytes = inside.unwrap_or_else(|| mutated(bytes, other, random));
                        let path = folder.path().join(format!("{number}-{name}"));
                        std::fs::write(&path, bytes).expect("writes a file");
                        (number, path)
                    };
                    let asked = Instant::now();
                    let document = workers.extract(&path);
                    let took = asked.elapsed();
                    check(&document);
                    let outcome = match &document.outcome {
                        Outcome::Failed { reason } if reason.len() < 60 => format!("failed ({reason})"),
                        other => other.encode().0.to_owned(),
                    };
                    let bad =
                        outcome.contains("the reader crashed") || took > limits.wall + Duration::from_secs(5);
                    if let (true, Some(keep)) = (bad, std::env::var_os("CARREL_FUZZ_KEEP")) {
                        std::fs::copy(&path, Path::new(&keep).join(path.file_name().expect("a name"))).ok();
                    }
                    std::fs::remove_file(&path).expect("removes its own file");
                    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                    let mut seen = seen.lock().expect("no panic here");
                    *seen.0.entry(outcome.clone()).or_default() += 1;
                    seen.1.push((took, format!("{name}: {outcome}")));
                    assert!(!bad, "file {number} of seed {seed:#x}, {name}: {outcome} after {took:?}");
                }
            });
        }
    });
    let all = began.elapsed();
    drop(workers);
    let (outcomes, mut times) = seen.into_inner().expect("no panic here");
    times.sort();
    let memory = peak_memory_of_workers();
    eprintln!(
        "{count} mutated files of {} in {:.0} s; workers used up to {} MB",
        corpus.len(),
        all.as_secs_f64(),
        memory >> 20
    );
    eprintln!("outcomes: {outcomes:#?}");
    eprintln!("median {:?}, slowest {:#?}", times[count / 2].0, &times[count - 5..]);
    assert_eq!(outcomes.values().sum::<usize>(), count);
    assert!(memory < limits.memory_bytes + (256 << 20), "a worker used {memory} bytes");
}

/// In bytes, of the processes that have ended.
fn peak_memory_of_workers() -> u64 {
    // SAFETY: `rusage` is a plain C structure, and the call only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage), 0);
        usage
    };
    usage.ru_maxrss as u64 * 1024
}
