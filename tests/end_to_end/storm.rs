//! A storm of changes with kills in it ends where a fresh read of the same folder does.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::desk::{Desk, Random};

/// Files written at once before a kill, so that there is something to be killed at.
const BURST: usize = 25;
const KILLS: usize = 3;
/// The folder is in step this long after the last change, whatever the machine.
const PATIENCE: Duration = Duration::from_secs(180);

const WORDS: [&str; 16] = [
    "heron", "lease", "invoice", "harbour", "turbine", "orchard", "ledger", "violin", "notice", "boiler",
    "survey", "gasket", "parish", "copper", "tariff", "meadow",
];
const ENDINGS: [&str; 5] = ["txt", "md", "html", "csv", "json"];

#[test]
fn a_storm_of_changes_with_kills_ends_as_a_fresh_read() {
    storm(200, Duration::from_secs(12), 0x0005_eed1);
}

#[test]
#[ignore = "takes six minutes: `cargo test --workspace -- --ignored a_storm_of_two_thousand`"]
fn a_storm_of_two_thousand_changes_in_five_minutes_ends_as_a_fresh_read() {
    storm(2_000, Duration::from_secs(300), 0x0005_eed2);
}

fn storm(operations: usize, length: Duration, seed: u64) {
    let Some(desk) = Desk::new() else { return };
    let mut weather = Weather { folder: desk.folder(), random: Random(seed), written: 0, done: [0; 7] };
    for _ in 0..20 {
        weather.create();
    }
    let mut server = Some(desk.start());
    let began = Instant::now();
    let mut killed_while = Vec::new();
    for operation in 0..operations {
        let due = length.mul_f64(operation as f64 / operations as f64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        weather.strike();
        let kills_due = (operation + 1) * (KILLS + 1) / operations;
        if kills_due > killed_while.len() && killed_while.len() < KILLS {
            let busy = server.take().expect("a server runs between kills");
            weather.gust();
            killed_while.push(busy.until_busy());
            std::thread::sleep(Duration::from_millis(weather.random.below(200)));
            // `kill -9`
            drop(busy);
            server = Some(desk.start());
        }
    }
    let server = server.expect("a server runs after the last kill");
    let took = began.elapsed();

    let fresh = desk.folder().with_file_name("fresh");
    desk.json_in(&fresh, &["add", desk.folder().to_str().unwrap()]);
    let expected = desk.ledger(&fresh);
    let calm = Instant::now();
    while desk.ledger(&desk.data()) != expected && calm.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(differences(&desk.ledger(&desk.data()), &expected), [""; 0], "the ledger after the storm");
    drop(server);
    for query in queries(&weather) {
        let (after, fresh) = (found(&desk, &desk.data(), &query), found(&desk, &fresh, &query));
        assert_eq!(after, fresh, "what `{query}` finds after the storm");
    }
    eprintln!(
        "storm: {operations} operations in {:.0} s ({:?} of create, edit, rename, rename folder, delete, delete \
         folder, copy), killed while {killed_while:?}; {} files; in step {:.1} s later",
        took.as_secs_f64(),
        weather.done,
        expected.len(),
        calm.elapsed().as_secs_f64(),
    );
}

/// Lines of two ledgers that are not in both.
fn differences<T: PartialEq + std::fmt::Debug>(left: &[T], right: &[T]) -> Vec<String> {
    let only = |these: &[T], those: &[T], whose: &str| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("{whose}: {line:?}")).collect()
    };
    [only(left, right, "stormy"), only(right, left, "fresh")].concat()
}

fn queries(weather: &Weather) -> Vec<String> {
    let mut queries: Vec<String> = WORDS.map(str::to_owned).into();
    queries.extend((0..weather.written).step_by(1 + weather.written / 12).map(|n| format!("marker{n:05}")));
    queries.extend(
        ["\"copper tariff\"", "harbour turbine survey", "note 12", "rent of the premises"].map(str::to_owned),
    );
    queries
}

/// Path, place and score of everything that a query finds.
fn found(desk: &Desk, data: &Path, query: &str) -> Vec<(Value, Value, String)> {
    let found = desk.json_in(data, &["search", query, "--limit", "60"]);
    let passages = found["passages"].as_array().unwrap().iter();
    // Vectors made in batches of other lengths differ in the last places.
    let score = |passage: &Value| format!("{:.2}", passage["score"].as_f64().unwrap());
    passages.map(|passage| (passage["path"].clone(), passage["span"].clone(), score(passage))).collect()
}

/// What happens to the folder.
struct Weather {
    folder: PathBuf,
    random: Random,
    written: usize,
    /// How often each kind of change was made.
    done: [usize; 7],
}

impl Weather {
    fn strike(&mut self) {
        let kind = match self.random.below(100) {
            0..35 => 0,
            35..60 => 1,
            60..73 => 2,
            73..78 => 3,
            78..93 => 4,
            93..94 => 5,
            _ => 6,
        };
        self.done[kind] += 1;
        match kind {
            0 => self.create(),
            1 => self.edit(),
            2 => self.rename(),
            3 => self.rename_folder(),
            4 => self.delete(),
            5 => self.delete_folder(),
            _ => self.copy(),
        }
    }

    /// Many changes at once.
    fn gust(&mut self) {
        for _ in 0..BURST {
            self.create();
        }
    }

    fn create(&mut self) {
        let name = self.some_name();
        if self.random.below(10) == 0 {
            let samples = files_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-docs"));
            let sample = self.one_of(&samples).expect("there are sample documents");
            let named = name.with_extension(sample.extension().unwrap_or_default());
            std::fs::copy(sample, named).unwrap();
            return;
        }
        let text = self.text();
        std::fs::write(name, text).unwrap();
    }

    /// Appends, replaces everything, or cuts off the end; as editors do, by a new file in its place, or in place.
    fn edit(&mut self) {
        let Some(path) = self.some_file() else { return self.create() };
        let former = std::fs::read(&path).unwrap();
        let text = self.text().into_bytes();
        let content = match self.random.below(3) {
            0 => [former, text].concat(),
            1 => text,
            _ => former[..former.len() / 2].to_vec(),
        };
        match self.random.below(2) {
            0 => std::fs::write(path, content).unwrap(),
            _ => {
                let beside = path.with_extension("tmp");
                std::fs::write(&beside, content).unwrap();
                std::fs::rename(beside, path).unwrap();
            }
        }
    }

    fn rename(&mut self) {
        let Some(from) = self.some_file() else { return self.create() };
        let to = self.some_name().with_extension(from.extension().unwrap_or_default());
        std::fs::rename(from, to).unwrap();
    }

    fn rename_folder(&mut self) {
        let Some(from) = self.some_folder() else { return self.create() };
        let to = self.folder.join(format!("moved-{}", self.random.below(1 << 30)));
        std::fs::rename(from, to).unwrap();
    }

    fn delete(&mut self) {
        let Some(path) = self.some_file() else { return self.create() };
        std::fs::remove_file(path).unwrap();
    }

    fn delete_folder(&mut self) {
        let Some(path) = self.some_folder() else { return self.create() };
        std::fs::remove_dir_all(path).unwrap();
    }

    fn copy(&mut self) {
        let Some(from) = self.some_file() else { return self.create() };
        let to = self.some_name().with_extension(from.extension().unwrap_or_default());
        std::fs::copy(from, to).unwrap();
    }

    /// Up to thirty paragraphs, so that some files have several chunks.
    fn text(&mut self) -> String {
        self.written += 1;
        let mut text = format!("Entry marker{:05} of the register.\n\n", self.written);
        for _ in 0..1 + self.random.below(3).pow(3) * 3 {
            let [a, b, c] = [0; 3].map(|_| WORDS[self.random.below(WORDS.len() as u64) as usize]);
            let number = self.random.below(10_000);
            text +=
                &format!("The {a} {b} of the {c} comes to {number} a year, payable before the 3rd week.\n\n");
        }
        text
    }

    fn some_name(&mut self) -> PathBuf {
        let folder = match self.random.below(3) {
            0 => self.folder.clone(),
            1 => self.folder.join(format!("{:02}", self.random.below(6))),
            _ => self.folder.join(format!("{:02}/deep", self.random.below(6))),
        };
        std::fs::create_dir_all(&folder).unwrap();
        let ending = ENDINGS[self.random.below(ENDINGS.len() as u64) as usize];
        folder.join(format!("note {}.{ending}", self.random.below(1 << 20)))
    }

    fn some_file(&mut self) -> Option<PathBuf> {
        let files = files_in(&self.folder);
        self.one_of(&files).cloned()
    }

    fn some_folder(&mut self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        self.one_of(&folders).cloned()
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.random.below(of.len() as u64) as usize)
    }
}

/// All files beneath a folder, in order.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_in(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
