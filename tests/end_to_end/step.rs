//! A running library keeps in step with its folder.

use std::time::Duration;

use crate::desk::Desk;

/// What "within seconds" means on a slow machine.
const SECONDS: Duration = Duration::from_secs(20);

#[test]
fn edits_renames_and_deletions_show_within_seconds() {
    let Some(desk) = Desk::with_files(&[
        ("a.txt", "The heron stands in the reeds."),
        ("b.txt", "The kingfisher dives from the willow."),
    ]) else {
        return;
    };
    let server = desk.serve();
    let data = desk.data();
    assert_eq!(desk.found(&data, "\"kingfisher dives\"").len(), 1);

    desk.write("c.txt", "A pelican came to the harbour.");
    let took = server.until_ledger("a new file is read", |ledger| {
        ledger.iter().any(|(path, outcome, ..)| path == "c.txt" && outcome == "indexed")
    });
    assert!(took < SECONDS, "{took:?}");
    until(|| desk.found(&data, "\"pelican came\"").len() == 1);

    desk.write("a.txt", "The bittern hides in the reeds, unseen.");
    until(|| desk.found(&data, "\"bittern hides\"").len() == 1);
    assert!(desk.found(&data, "\"heron stands\"").is_empty(), "the former text is gone");

    std::fs::rename(desk.folder().join("b.txt"), desk.folder().join("moved.txt")).unwrap();
    server.until_ledger("the rename shows", |ledger| {
        ledger.iter().any(|(path, ..)| path == "moved.txt") && ledger.iter().all(|(path, ..)| path != "b.txt")
    });
    until(|| desk.found(&data, "\"kingfisher dives\"").iter().any(|(path, _)| path.ends_with("moved.txt")));

    std::fs::remove_file(desk.folder().join("c.txt")).unwrap();
    server.until_ledger("the deletion shows", |ledger| ledger.iter().all(|(path, ..)| path != "c.txt"));
    until(|| desk.found(&data, "\"pelican came\"").is_empty());
}

#[test]
fn a_removed_folder_leaves_nothing_behind() {
    let Some(desk) = Desk::with_files(&[("a.txt", "The password of the vault is xylophone-quartz.")]) else {
        return;
    };
    desk.add();
    assert!(leftovers(&desk, b"xylophone").iter().any(|name| name.contains("catalog")));
    let output = desk.run(&["remove", desk.folder().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(leftovers(&desk, b"xylophone"), Vec::<String>::new());
    assert!(desk.folder().join("a.txt").exists(), "the person's own file stays");
}

/// Files of the library in which the word still stands.
fn leftovers(desk: &Desk, word: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![desk.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() && std::fs::read(&path).unwrap().windows(word.len()).any(|w| w == word) {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// Waits for what is bound to become true.
fn until(wanted: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !wanted() {
        assert!(began.elapsed() < SECONDS, "waited in vain");
        std::thread::sleep(Duration::from_millis(100));
    }
}
