//! What a program that calls us relies on: exit codes, where output goes, hints.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::desk::{Desk, models_dir};

fn carrel(args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_carrel")).args(args).env("HOME", home.path()).output().unwrap()
}

#[test]
fn wrong_usage_is_exit_code_2() {
    assert_eq!(carrel(&["frobnicate"]).status.code(), Some(2));
    assert_eq!(carrel(&["ask"]).status.code(), Some(2));
}

#[test]
fn a_failure_is_exit_code_1_with_a_hint_on_stderr() {
    let output = carrel(&["add", "/no/such/folder"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "no such folder `/no/such/folder`\nhint: name a folder that exists\n");
}

#[test]
fn a_missing_model_is_named_with_the_way_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "text").unwrap();
    let models = folder.path().join("models");
    let output = carrel(&[
        "ask",
        "What?",
        "--folder",
        folder.path().to_str().unwrap(),
        "--models-dir",
        models.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("carrel models pull all-minilm-l6-v2"), "{text}");
}

#[test]
fn help_teaches_by_examples() {
    let commands = "ask search list summarise compare table serve add remove status extract models eval";
    for command in commands.split(' ') {
        let output = carrel(&[command, "--help"]);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Example"), "{command}: {text}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("long.txt");
    std::fs::write(&file, "The rent is due on the first day of each month.\n\n".repeat(20_000)).unwrap();
    for json in [&["--json"][..], &[]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carrel"));
        command.arg("extract").arg(&file).args(json).env("HOME", home.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert!(output.status.success());
    }
}

#[test]
fn extraction_needs_no_library_and_tells_where_text_stands() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("note.md");
    std::fs::write(&file, "# Title\n\nSecond paragraph.\n").unwrap();
    let output = carrel(&["extract", file.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["outcome"], "indexed");
    assert_eq!(read["blocks"][0]["kind"], "heading");
    assert_eq!(read["blocks"][1]["locator"], "line 3");
}

#[test]
fn a_second_process_uses_the_one_that_runs() {
    let Some(desk) = Desk::with_files(&[("a.txt", "The heron stands in the reeds.")]) else { return };
    let server = desk.serve();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("b.txt"), "The lighthouse keeper retired.").unwrap();
    let output = desk.run(&["add", other.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.until("the added folder is read", |status| {
        status["files"].as_array().unwrap().len() == 2 && status["progress"]["phase"] == "idle"
    });
    assert_eq!(desk.found(&desk.data(), "lighthouse")[0].0, path_of(&other, "b.txt"));
}

fn path_of(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().canonicalize().unwrap().join(name).to_string_lossy().into_owned()
}

/// A store with the same models, in which a test may change something.
fn copy_of_models(to: &Path) {
    let mut left = vec![PathBuf::new()];
    while let Some(part) = left.pop() {
        std::fs::create_dir_all(to.join(&part)).unwrap();
        for entry in std::fs::read_dir(models_dir().join(&part)).unwrap().map(Result::unwrap) {
            let inside = part.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => left.push(inside),
                false => std::os::unix::fs::symlink(entry.path(), to.join(&inside)).unwrap(),
            }
        }
    }
}

/// The tiny cross-encoder has random weights and likes dogs.
#[test]
fn a_reranker_decides_on_the_order_of_what_was_found() {
    let Some(desk) = Desk::with_files(&[
        ("rent.txt", "The rent is due on the first day of every month ."),
        ("dogs.txt", "Dogs need the consent of the landlord ."),
    ]) else {
        return;
    };
    let models = desk.folder().parent().unwrap().join("models");
    copy_of_models(&models);
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_carrel"))
            .args(args)
            .arg("--models-dir")
            .arg(&models)
            .arg("--data-dir")
            .arg(desk.data())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/rerankers/bert");
    assert_eq!(run(&["models", "import", made.to_str().unwrap(), "--name", "tiny"]).0, Some(0));
    assert_eq!(run(&["add", desk.folder().to_str().unwrap()]).0, Some(0));
    let first = |more: &[&str]| {
        let (code, out, err) = run(&[&["search", "when is the rent due ?", "--json"], more].concat());
        assert_eq!(code, Some(0), "{err}");
        let found: serde_json::Value = serde_json::from_str(&out).unwrap();
        let paths = found["passages"].as_array().unwrap().iter();
        paths
            .map(|passage| passage["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    let plain: Vec<String> = first(&[]);
    assert_eq!(plain, ["rent.txt", "dogs.txt"]);
    let reranked: Vec<String> = first(&["--reranker", "tiny"]);
    assert_eq!(reranked, ["dogs.txt", "rent.txt"]);
    let (code, _, err) = run(&["search", "rent", "--reranker", "ms-marco-minilm-l6-v2"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("carrel models pull ms-marco-minilm-l6-v2"), "{err}");
}
