//! Whatever a crash leaves behind, opening ends in the state of an undisturbed run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use carrel_corpus::Span;
use carrel_index::{Error, Index, IndexConfig};

use crate::shelf::{DIMENSIONS, Shelf, by_vectors, embed_all, hybrid, keywords, put, shown};

const QUERIES: [&str; 5] = ["topic3", "topic1 report", "edited", "common words of all", "topic17 note"];

type Results = Vec<Vec<(String, Span, String)>>;

fn results(index: &Index) -> Results {
    QUERIES
        .iter()
        .flat_map(|text| [hybrid(text), keywords(text), by_vectors(text)])
        .map(|query| shown(&index.search(&query).unwrap()))
        .collect()
}

/// One step of a history: puts, edits and removals over forty paths.
fn step(index: &Index, i: usize) {
    let path = format!("/d/{}.txt", i % 40);
    match i % 7 {
        6 => drop(index.remove(&[path]).unwrap()),
        _ => {
            let edit = i / 40;
            let text =
                format!("Report on topic{} edited {edit}.\n\nA note with common words of all.", i % 23);
            put(index, &path, &text);
        }
    }
}

fn history(index: &Index, steps: usize) {
    for i in 0..steps {
        step(index, i);
        if i % 5 == 0 {
            index.publish().unwrap();
        }
        if i % 9 == 0 {
            embed_all(index);
        }
    }
}

fn settled(index: &Index) -> Results {
    embed_all(index);
    index.publish().unwrap();
    assert_eq!(index.integrity().unwrap().problems, [""; 0]);
    results(index)
}

#[test]
fn a_copy_of_the_files_at_any_moment_opens_with_the_same_results() {
    let shelf = Shelf::new();
    for i in 0..60 {
        step(shelf.index(), i);
        if i % 4 == 0 {
            shelf.index().publish().unwrap();
        }
        if i % 6 == 0 {
            embed_all(shelf.index());
        }
        if i % 10 == 3 {
            let mut crashed = shelf.crashed();
            crashed.reopen();
            shelf.index().publish().unwrap();
            assert_eq!(results(crashed.index()), results(shelf.index()), "after step {i}");
        }
    }
}

/// Does `damage` to a closed library and sees that it opens whole.
fn check(name: &str, damage: impl Fn(&Path)) {
    let mut shelf = Shelf::new();
    history(shelf.index(), 50);
    let expected = settled(shelf.index());
    shelf.close();
    damage(&shelf.path());
    shelf.reopen();
    assert_eq!(shelf.index().pending_vectors(1).unwrap(), [], "{name}: nothing is embedded again");
    assert_eq!(results(shelf.index()), expected, "{name}");
    assert_eq!(settled(shelf.index()), expected, "{name}");
}

fn files_under(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn derived_stores_that_are_gone_are_made_again() {
    check("no keywords", |library| fs::remove_dir_all(library.join("keywords")).unwrap());
    check("no vectors", |library| fs::remove_dir_all(library.join("vectors")).unwrap());
    check("no meta.json", |library| fs::remove_file(library.join("keywords/meta.json")).unwrap());
    check("nothing held", |library| fs::remove_file(library.join("vectors/held")).unwrap());
}

#[test]
fn derived_stores_that_are_torn_are_made_again() {
    let truncate = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    check("torn manifest", |library| {
        for manifest in files_under(&library.join("vectors"), ".manifest") {
            truncate(&manifest);
        }
    });
    check("empty manifest", |library| {
        for manifest in files_under(&library.join("vectors"), ".manifest") {
            fs::write(manifest, b"").unwrap();
        }
    });
    check("torn meta.json", |library| truncate(&library.join("keywords/meta.json")));
    check("torn postings", |library| {
        for postings in files_under(&library.join("keywords"), ".idx") {
            truncate(&postings);
        }
    });
    check("torn data", |library| {
        for data in files_under(&library.join("vectors"), ".lance").iter().filter(|path| path.is_file()) {
            truncate(data);
        }
    });
}

#[test]
fn a_derived_store_of_an_older_state_catches_up() {
    let mut shelf = Shelf::new();
    history(shelf.index(), 30);
    settled(shelf.index());
    let old = shelf.crashed();
    history(shelf.index(), 60);
    let expected = settled(shelf.index());
    shelf.close();
    for store in ["keywords", "vectors"] {
        fs::remove_dir_all(shelf.path().join(store)).unwrap();
        crate::shelf::copy_all(&old.path().join(store), &shelf.path().join(store));
    }
    shelf.reopen();
    assert_eq!(settled(shelf.index()), expected);
}

#[test]
fn a_derived_store_of_a_newer_state_is_made_again() {
    let mut shelf = Shelf::new();
    history(shelf.index(), 30);
    let expected = settled(shelf.index());
    let old = shelf.crashed();
    history(shelf.index(), 60);
    settled(shelf.index());
    shelf.close();
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        fs::remove_file(shelf.path().join(name)).ok();
        fs::copy(old.path().join(name), shelf.path().join(name)).ok();
    }
    shelf.reopen();
    assert_eq!(settled(shelf.index()), expected);
}

#[test]
fn only_one_process_has_the_library() {
    let shelf = Shelf::new();
    let error = Index::open(shelf.config()).err().unwrap();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(error.hint().unwrap().contains("another carrel"));
}

#[test]
fn another_embedder_starts_over_with_vectors_and_the_former_ones_come_back() {
    let mut shelf = Shelf::new();
    history(shelf.index(), 30);
    let expected = settled(shelf.index());
    shelf.close();
    let config = IndexConfig { embedder: "other".into(), dimensions: 8, ..shelf.config() };
    let other = Index::open(config).unwrap();
    assert!(!other.pending_vectors(1).unwrap().is_empty());
    assert!(!other.search(&keywords("report")).unwrap().is_empty());
    drop(other);
    shelf.reopen();
    assert_eq!(shelf.index().pending_vectors(1).unwrap(), []);
    assert_eq!(results(shelf.index()), expected);
}

const CHILD: &str = "CARREL_INDEX_TEST_CHILD";

/// Not a test by itself: the process that [`killed_at_any_moment`] kills.
#[test]
fn child_that_is_killed() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let config = IndexConfig { directory: directory.into(), embedder: "toy".into(), dimensions: DIMENSIONS };
    let index = Index::open(config).unwrap();
    history(&index, 70);
    settled(&index);
}

#[test]
fn killed_at_any_moment() {
    let undisturbed = Shelf::new();
    history(undisturbed.index(), 70);
    let expected = settled(undisturbed.index());

    let mut shelf = Shelf::new();
    shelf.close();
    for kill in 0..6u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crashes::child_that_is_killed", "--nocapture"])
            .env(CHILD, shelf.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments spread over start, ingestion and settling; which one is hit does not matter to the outcome.
        std::thread::sleep(std::time::Duration::from_millis(60 + kill * kill * 110));
        child.kill().unwrap();
        child.wait().unwrap();
        let index = Index::open(shelf.config()).unwrap();
        assert_eq!(index.integrity().unwrap().problems, [""; 0], "after kill {kill}");
    }
    shelf.reopen();
    history(shelf.index(), 70);
    assert_eq!(settled(shelf.index()), expected);
}
