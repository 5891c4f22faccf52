//! `kill -9` at any moment, then a start, ends where an undisturbed run does.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::desk::{Desk, Random};

const FILES: usize = 500;
const ROUNDS: u64 = 4;
const KILLS_A_ROUND: u64 = 5;

const SUBJECTS: [&str; 8] =
    ["heron", "lease", "invoice", "harbour", "turbine", "orchard", "ledger", "violin"];
const VERBS: [&str; 5] = ["inspects", "replaces", "mentions", "forbids", "measures"];

#[test]
fn twenty_kills_while_reading_change_nothing() {
    let Some(desk) = Desk::new() else { return };
    for n in 0..FILES {
        desk.write(&format!("{:02}/{n:03}.txt", n % 7), text(n));
    }
    let folder = desk.folder();
    let add = ["add", folder.to_str().unwrap()];
    let undisturbed = desk.folder().with_file_name("undisturbed");
    let began = Instant::now();
    desk.json_in(&undisturbed, &add);
    let whole = began.elapsed();
    let expected = (desk.ledger(&undisturbed), searches(&desk, &undisturbed));
    assert_eq!(expected.0.len(), FILES);
    assert!(
        expected.0.iter().all(|(_, outcome, chunks, embedded)| outcome == "indexed" && chunks == embedded)
    );

    let mut random = Random(0x5eed);
    for round in 0..ROUNDS {
        let data = desk.folder().with_file_name(format!("killed-{round}"));
        for _ in 0..KILLS_A_ROUND {
            let moment = Duration::from_millis(50 + random.below(whole.as_millis() as u64 / 2));
            let mut child =
                desk.command_in(&data, &add).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(moment);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        desk.json_in(&data, &add);
        assert_eq!(desk.ledger(&data), expected.0, "ledger of round {round}");
        assert_eq!(searches(&desk, &data), expected.1, "searches of round {round}");
    }
}

/// The same for the same number; every file has a word of its own.
fn text(n: usize) -> String {
    let subject = SUBJECTS[n % SUBJECTS.len()];
    let verb = VERBS[n / SUBJECTS.len() % VERBS.len()];
    format!("# Note {n}\n\nThe {subject} {verb} item marker{n:04} before the {} week.\n", n * 37 % 52)
}

fn searches(desk: &Desk, data: &std::path::Path) -> Vec<Vec<String>> {
    let queries =
        ["marker0007", "marker0499", "heron inspects item marker0000", "\"violin forbids\" marker0151"];
    queries.map(|query| desk.found(data, query).into_iter().map(|(path, _)| path).collect()).into()
}
