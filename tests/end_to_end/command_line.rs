//! What a program that calls us relies on: exit codes, where output goes, hints.

use std::process::{Command, Output};

use crate::desk::Desk;

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
