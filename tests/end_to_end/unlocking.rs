//! An encrypted file is read with its password, of which no byte is kept.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::desk::{Desk, leftovers};

/// Of `hr/salaries-2024.pdf` in the sample documents.
const PASSWORD: &str = "netloft-quay";

#[test]
fn a_password_opens_a_file_and_is_nowhere_afterwards() {
    let Some(desk) = Desk::new() else { return };
    let file = sample(&desk);
    desk.add();
    assert_eq!(outcome(&desk), "encrypted");
    let refused = unlock(&desk, "not-this-one");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("this password does not open"), "{refused:?}");
    assert_eq!(outcome(&desk), "encrypted");

    let opened = unlock(&desk, PASSWORD);
    assert!(opened.status.success(), "{opened:?}");
    assert_eq!(outcome(&desk), "indexed");
    let query = "salaries";
    assert!(!desk.found(&desk.data(), query).is_empty());
    assert_eq!(leftovers(&desk, PASSWORD.as_bytes()), Vec::<String>::new());

    // A restart keeps what was read, as of any file that did not change.
    desk.add();
    assert_eq!(outcome(&desk), "indexed");
    assert!(!desk.found(&desk.data(), query).is_empty());

    // Without the password there is nothing to read of a file that did.
    let bytes = [std::fs::read(&file).unwrap(), b"\n%changed\n".to_vec()].concat();
    std::fs::write(&file, bytes).unwrap();
    desk.add();
    assert_eq!(outcome(&desk), "encrypted");
}

#[test]
fn a_server_keeps_a_password_for_when_the_file_changes() {
    let Some(desk) = Desk::new() else { return };
    let file = sample(&desk);
    let server = desk.serve();
    assert_eq!(outcome(&desk), "encrypted");
    assert_eq!(unlock(&desk, "not-this-one").status.code(), Some(1));
    let opened = unlock(&desk, PASSWORD);
    assert!(opened.status.success(), "{opened:?}");
    server.until_ledger("it is read", |ledger| ledger[0].1 == "indexed");
    let name = file.with_file_name("renamed.pdf");
    std::fs::rename(&file, &name).unwrap();
    let bytes = [std::fs::read(&name).unwrap(), b"\n%changed\n".to_vec()].concat();
    std::fs::write(&name, bytes).unwrap();
    server.until_ledger("the changed file is read with the password", |ledger| {
        ledger.len() == 1 && ledger[0].0 == "renamed.pdf" && ledger[0].1 == "indexed"
    });
    drop(server);
    assert_eq!(leftovers(&desk, PASSWORD.as_bytes()), Vec::<String>::new());
}

#[test]
fn an_office_file_is_read_with_its_password() {
    let Some(desk) = Desk::new() else { return };
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/locked/agile-sha512.docx");
    // The content says what a file is, whatever it is called.
    desk.write("salaries.pdf", std::fs::read(from).unwrap());
    desk.add();
    assert_eq!(outcome(&desk), "encrypted");
    assert_eq!(unlock(&desk, "not-this-one").status.code(), Some(1));
    assert_eq!(outcome(&desk), "encrypted");
    let opened = unlock(&desk, "Grüße 7");
    assert!(opened.status.success(), "{opened:?}");
    assert_eq!(outcome(&desk), "indexed");
    assert!(!desk.found(&desk.data(), "\"rent is due monthly\"").is_empty());
}

fn sample(desk: &Desk) -> std::path::PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-docs/hr/salaries-2024.pdf");
    desk.write("salaries.pdf", std::fs::read(from).unwrap())
}

fn outcome(desk: &Desk) -> String {
    desk.ledger(&desk.data())[0].1.clone()
}

/// With the password on stdin, as from a password manager, and all that can be logged being logged.
fn unlock(desk: &Desk, password: &str) -> Output {
    let file = desk.folder().join("salaries.pdf");
    let mut command = desk.command(&["unlock", file.to_str().unwrap(), "--verbose"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    let output = child.wait_with_output().unwrap();
    for said in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(said).contains(password), "{output:?}");
    }
    output
}
