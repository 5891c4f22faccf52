//! The power fails at any moment of an ingest run: the library opens, has every document that it had acknowledged, and ends
//! where an undisturbed run does.
//!
//! `strace` records every write, rename and sync of a real server on its way ([`trace`]); from a prefix of them and the
//! worst that a disk may make of what was not synced ([`disk`]) a data directory is made, opened and brought up to date.

mod disk;
mod trace;

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use carrel::config::{Config, Overrides};
use carrel::library::{Library, SearchRequest};
use carrel_index::Ranking;
use serde_json::Value;

use crate::desk::{Desk, Random, get, models_dir};
use disk::{History, LOSSES, Loss, Tree};

const PATIENCE: Duration = Duration::from_secs(240);
/// More states than this that go wrong say no more.
const SHOWN: usize = 8;

#[test]
fn a_power_loss_at_any_moment_loses_nothing_acknowledged() {
    power_loss(40, 0x0ff);
}

#[test]
#[ignore = "takes an hour: `cargo test --workspace -- --ignored thousands_of_power_losses`; fewer with CARREL_POWER_LOSSES"]
fn thousands_of_power_losses_lose_nothing_acknowledged() {
    let states = std::env::var("CARREL_POWER_LOSSES").map_or(2_000, |count| count.parse().unwrap());
    power_loss(states, 0x1ff);
}

fn power_loss(states: usize, seed: u64) {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        let _ = writeln!(
            std::io::stderr(),
            "LEFT OUT: losses of power are not tried, because strace is not installed"
        );
        return;
    }
    let Some(desk) = Desk::new() else { return };
    let run = record(&desk);
    let history = History::new(&run.events);
    let expected = undisturbed(&desk);
    without_syncs_all_is_lost(&desk, &run, &expected);
    let (mut random, mut seen, mut wrong) = (Random(seed), HashSet::new(), Vec::new());
    let began = Instant::now();
    for attempt in 0.. {
        if seen.len() == states || attempt == 20 * states || wrong.len() == SHOWN {
            break;
        }
        let at = 1 + random.below(run.events.len() as u64) as usize;
        let loss = LOSSES[attempt % LOSSES.len()];
        let tree = history.crash(at, loss, &mut random);
        if !seen.insert(digest(&tree)) {
            continue;
        }
        let acknowledged = run.acknowledged_before(at);
        let data = desk.folder().with_file_name("after");
        lay_out(&tree, &data);
        if let Err(what) = check(&desk, &data.join("data"), &acknowledged, &expected) {
            wrong.push(format!("before event {at} of {}, {loss:?} lost: {what}", run.events.len()));
            if let Some(keep) = std::env::var_os("CARREL_KEEP") {
                lay_out(&tree, &Path::new(&keep).join(format!("{at}-{loss:?}")));
            }
        }
    }
    eprintln!(
        "power loss: {} states of {} events tried in {:.0} s, {} wrong",
        seen.len(),
        run.events.len(),
        began.elapsed().as_secs_f64(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen.len() > states / 2, "the run has too few states to be a test");
}

/// The control: a disk that heeds no sync loses what was acknowledged, and that is noticed.
fn without_syncs_all_is_lost(desk: &Desk, run: &Run, expected: &Outcome) {
    let unsynced: Vec<trace::Event> = run
        .events
        .iter()
        .filter(|event| !matches!(event.change, trace::Change::Sync { .. }))
        .cloned()
        .collect();
    let acknowledged = run.acknowledged_before(run.events.len());
    assert_eq!(acknowledged, run.lasting, "everything was acknowledged at the end");
    for loss in [Loss::All, Loss::Bytes] {
        let tree = History::new(&unsynced).crash(unsynced.len(), loss, &mut Random(1));
        let data = desk.folder().with_file_name("unsynced");
        lay_out(&tree, &data);
        let found = check(desk, &data.join("data"), &acknowledged, expected);
        assert!(found.is_err(), "{loss:?} of everything goes unnoticed");
    }
}

/// A run of the server, as its disk and a client saw it.
struct Run {
    events: Vec<trace::Event>,
    /// What the ledger showed, and when a client had it in its hands.
    acknowledged: Vec<(f64, BTreeSet<String>)>,
    /// Files that are in the folder from the beginning, or their own, to the end.
    lasting: BTreeSet<String>,
}

impl Run {
    /// The documents that a client knew to be read when event number `at` began.
    fn acknowledged_before(&self, at: usize) -> BTreeSet<String> {
        let now = self.events.get(at).map_or(f64::MAX, |event| event.began);
        let known = self.acknowledged.iter().rfind(|(time, _)| *time < now);
        known.map(|(_, paths)| paths.intersection(&self.lasting).cloned().collect()).unwrap_or_default()
    }
}

/// The word that stands in every version of a file and in no other file.
fn marker(name: &str) -> String {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("marker{letters}")
}

fn text(name: &str, version: u32) -> String {
    let mut text = format!("# The register of {}\n\n", marker(name));
    for n in 0..12 {
        text += &format!(
            "Entry {n} of version {version}: the harbour keeps {} of copper for {name}, payable in week {}.\n\n",
            (n + 7) * (version + 3),
            n * 37 % 52
        );
    }
    text
}

/// Has a server read a folder that changes, under the eyes of `strace`.
fn record(desk: &Desk) -> Run {
    let disk = desk.folder().with_file_name("disk");
    std::fs::create_dir(&disk).unwrap();
    let disk = disk.canonicalize().unwrap();
    let folder = desk.folder().canonicalize().unwrap();
    let data = disk.join("data");
    for n in 0..12 {
        let name = format!("{}/file{n:02}.md", n % 3);
        desk.write(&name, text(&name, 0));
    }
    for sample in ["archive/tidewater-handover.zip", "board/minutes-2024-02-20.docx"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-docs").join(sample);
        std::fs::copy(&from, desk.folder().join(from.file_name().unwrap())).unwrap();
    }
    let trace = disk.with_file_name("trace");
    let carrel = desk.command_in(&data, &["serve", folder.to_str().unwrap(), "--port", "0"]);
    let mut child = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-ttt",
            "-y",
            "-xx",
            "-s",
            "33554432",
            "-e",
            &format!("trace={}", trace::CALLS),
            "-o",
        ])
        .arg(&trace)
        .arg(carrel.get_program())
        .args(carrel.get_args())
        .envs(carrel.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let client = {
        let (data, stop) = (data.clone(), Arc::clone(&stop));
        std::thread::spawn(move || watch(&data, &stop))
    };
    until_embedded(&data, 14);
    for n in 12..16 {
        let name = format!("{}/file{n:02}.md", n % 3);
        desk.write(&name, text(&name, 0));
    }
    until_embedded(&data, 18);
    desk.write("0/file00.md", text("0/file00.md", 1));
    desk.write("1/file01.md", text("1/file01.md", 1) + "An end.\n");
    std::fs::rename(folder.join("0/file03.md"), folder.join("0/moved.md")).unwrap();
    std::fs::rename(folder.join("2"), folder.join("other")).unwrap();
    std::fs::remove_file(folder.join("1/file04.md")).unwrap();
    until_embedded(&data, 17);
    std::thread::sleep(Duration::from_secs(3));
    until_embedded(&data, 17);
    let server = carrel::server::client::serving_process(&data).expect("the server runs");
    assert!(Command::new("kill").arg(server.to_string()).status().unwrap().success());
    child.wait().unwrap();
    stop.store(true, Ordering::Relaxed);
    let acknowledged = client.join().unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    let events = trace::read(&text, &disk);
    assert!(events.len() > 100, "the trace has only {} events", events.len());
    let lasting = [
        "0/file00.md",
        "1/file01.md",
        "1/file07.md",
        "1/file10.md",
        "1/file13.md",
        "0/file06.md",
        "0/file09.md",
    ]
    .into_iter()
    .chain(["0/file12.md", "0/file15.md", "tidewater-handover.zip", "minutes-2024-02-20.docx"]);
    let lasting = lasting.map(|name| folder.join(name).to_str().unwrap().to_owned()).collect();
    Run { events, acknowledged, lasting }
}

/// Asks for the ledger over and over.
fn watch(data: &Path, stop: &AtomicBool) -> Vec<(f64, BTreeSet<String>)> {
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if let Some(ledger) = get(data, "/library/files") {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
            let files = ledger["files"].as_array().unwrap().iter();
            let read =
                files.filter(|file| matches!(file["outcome"].as_str(), Some("indexed" | "partly read")));
            seen.push((now, read.map(|file| file["path"].as_str().unwrap().to_owned()).collect()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    seen
}

/// Waits until so many files are read, and every chunk of them has its vector.
fn until_embedded(data: &Path, files: usize) {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let status = get(data, "/library/status").unwrap_or_default();
        let (coverage, phase) = (&status["coverage"], &status["progress"]["phase"]);
        let count = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
        if phase == "idle"
            && count(&coverage["searched"]) == files as u64
            && coverage["chunks"] == coverage["embedded"]
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("waited in vain until {files} files were read; status: {:?}", get(data, "/library/status"));
}

/// What two libraries of one folder must agree on.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    ledger: Vec<(String, String, usize, usize)>,
    found: Vec<Vec<(String, usize, usize)>>,
}

fn undisturbed(desk: &Desk) -> Outcome {
    let library = open(&desk.folder().with_file_name("undisturbed")).unwrap();
    bring_up_to_date(desk, &library).unwrap()
}

fn open(data: &Path) -> Result<Arc<Library>, String> {
    let overrides =
        Overrides { data_dir: Some(data.to_owned()), models_dir: Some(models_dir()), ..Overrides::default() };
    let mut config = Config::resolve(overrides).map_err(|error| carrel::chain(&error))?;
    config.worker = (PathBuf::from(env!("CARGO_BIN_EXE_carrel")), vec!["worker".to_owned()]);
    config.embedder = "all-minilm-l6-v2".to_owned();
    Library::open(config).map_err(|error| format!("it does not open: {}", carrel::chain(&error)))
}

fn bring_up_to_date(desk: &Desk, library: &Arc<Library>) -> Result<Outcome, String> {
    let failed =
        |error: carrel::library::Error| format!("it is not brought up to date: {}", carrel::chain(&error));
    library.add_folder(&desk.folder()).map_err(failed)?;
    library.start();
    let began = Instant::now();
    let done = library.wait_until_embedded(&mut |_| match began.elapsed() < PATIENCE {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    });
    library.stop();
    if !done.map_err(failed)? {
        return Err("it is not brought up to date in time".to_owned());
    }
    let ledger = library.files(None).map_err(failed)?.into_iter();
    let queries = ["copper", "harbour version 1", "minutes of the board", "tidewater handover", "\"an end\""];
    let found =
        queries.map(|query| find(library, query, Ranking::Keywords)).into_iter().collect::<Result<_, _>>()?;
    let ledger =
        ledger.map(|file| (file.path, file.outcome.to_string(), file.chunks, file.embedded)).collect();
    Ok(Outcome { ledger, found })
}

fn find(library: &Library, query: &str, ranking: Ranking) -> Result<Vec<(String, usize, usize)>, String> {
    let request =
        SearchRequest { query: query.to_owned(), folders: Vec::new(), paths: Vec::new(), limit: 40, ranking };
    let found =
        library.search(&request).map_err(|error| format!("search fails: {}", carrel::chain(&error)))?;
    Ok(found.into_iter().map(|passage| (passage.path, passage.span.start, passage.span.end)).collect())
}

/// Opens a library as a crash left it. What is wrong with it, if something is.
fn check(
    desk: &Desk,
    data: &Path,
    acknowledged: &BTreeSet<String>,
    expected: &Outcome,
) -> Result<(), String> {
    let library = open(data)?;
    let problems = library.index().integrity().map_err(|error| carrel::chain(&error))?.problems;
    if !problems.is_empty() {
        return Err(format!("it is not whole: {problems:?}"));
    }
    let files = library.files(None).map_err(|error| carrel::chain(&error))?;
    for path in acknowledged {
        if !files
            .iter()
            .any(|file| file.path == *path && (file.outcome.is_searchable() || !path.ends_with(".md")))
        {
            return Err(format!("`{path}` was acknowledged and is lost"));
        }
        let name = Path::new(path).strip_prefix(desk.folder().canonicalize().unwrap()).unwrap();
        if path.ends_with(".md") {
            let found = find(&library, &marker(name.to_str().unwrap()), Ranking::Keywords)?;
            if !found.iter().any(|(found, ..)| found == path) {
                return Err(format!("`{path}` was acknowledged and is not found"));
            }
        }
    }
    let outcome = bring_up_to_date(desk, &library)?;
    if outcome != *expected {
        return Err(format!("it ends as {outcome:?}, undisturbed as {expected:?}"));
    }
    Ok(())
}

fn digest(tree: &Tree) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    hasher.finish()
}

/// Makes real files of a tree, in place of what was there.
fn lay_out(tree: &Tree, at: &Path) {
    match std::fs::remove_dir_all(at) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("could not clear `{}`: {error}", at.display())
        }
        _ => std::fs::create_dir_all(at).unwrap(),
    }
    for folder in &tree.folders {
        std::fs::create_dir_all(at.join(folder)).unwrap();
    }
    for (path, content) in &tree.files {
        // A socket that was bound has a name and is no file.
        std::fs::write(at.join(path), content).unwrap();
    }
}
