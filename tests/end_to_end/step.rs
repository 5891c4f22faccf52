//! A running library keeps in step with its folder.

use std::time::Duration;

use crate::desk::{Desk, leftovers};

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
fn a_new_name_makes_no_vector_anew() {
    let Some(desk) = Desk::new() else { return };
    // So many that making their vectors again would take seconds.
    let text: String = (0..200)
        .map(|n| {
            format!("Entry {n} of the register: {} is due for survey {}. ", n * 7919, n * 104_729).repeat(6)
                + "\n\n"
        })
        .collect();
    desk.write("heron.txt", text);
    let server = desk.serve();
    server.until_ledger("every vector is made", |ledger| ledger[0].2 > 50 && ledger[0].2 == ledger[0].3);
    let chunks = desk.ledger(&desk.data())[0].2;
    for (from, to) in [("heron.txt", "osprey.txt"), ("osprey.txt", "inner/kingfisher.txt")] {
        std::fs::create_dir_all(desk.folder().join("inner")).unwrap();
        std::fs::rename(desk.folder().join(from), desk.folder().join(to)).unwrap();
        let name = to.trim_start_matches("inner/").trim_end_matches(".txt");
        until(|| !desk.found(&desk.data(), &format!("\"{name}\"")).is_empty());
        let ledger = desk.ledger(&desk.data());
        assert_eq!(ledger, [(to.to_owned(), "indexed".to_owned(), chunks, chunks)]);
    }
    assert!(desk.found(&desk.data(), "\"heron\"").is_empty(), "the former name is forgotten");
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

#[test]
fn a_paused_library_waits_and_answers() {
    let Some(desk) = Desk::with_files(&[("a.txt", "The heron stands in the reeds.")]) else { return };
    let server = desk.serve();
    desk.post("/library/pause");
    desk.write("b.txt", "A pelican came to the harbour.");
    std::thread::sleep(Duration::from_secs(3));
    let ledger = desk.ledger(&desk.data());
    assert_eq!(ledger.len(), 1, "nothing is read while paused: {ledger:?}");
    assert_eq!(desk.get("/library/status").unwrap()["progress"]["phase"], "paused");
    assert_eq!(desk.found(&desk.data(), "\"heron stands\"").len(), 1, "questions are answered");
    desk.post("/library/resume");
    server.until_ledger("the new file is read", |ledger| {
        ledger.iter().any(|(path, outcome, chunks, embedded)| {
            path == "b.txt" && outcome == "indexed" && chunks == embedded
        })
    });
}

#[test]
fn links_loops_and_folders_in_folders_give_one_document_each() {
    let Some(desk) = Desk::with_files(&[
        ("a.txt", "The heron stands in the reeds."),
        ("inner/b.txt", "The kingfisher dives from the willow."),
        (".carrelignore", "*.log\n"),
        ("c.log", "Nobody reads this."),
    ]) else {
        return;
    };
    let folder = desk.folder();
    std::fs::hard_link(folder.join("a.txt"), folder.join("again.txt")).unwrap();
    std::os::unix::fs::symlink(&folder, folder.join("inner/loop")).unwrap();
    std::os::unix::fs::symlink("a.txt", folder.join("link.txt")).unwrap();
    desk.add();
    let inner = folder.join("inner");
    desk.json(&["add", inner.to_str().unwrap()]);
    let outcomes = |desk: &Desk| -> Vec<(String, String)> {
        desk.ledger(&desk.data()).into_iter().map(|(path, outcome, ..)| (path, outcome)).collect()
    };
    let expected = [
        (".carrelignore", "ignored"),
        ("a.txt", "indexed"),
        ("again.txt", "indexed"),
        ("c.log", "ignored"),
        ("inner/b.txt", "indexed"),
        ("inner/loop", "ignored"),
        ("link.txt", "ignored"),
    ]
    .map(|(path, outcome)| (path.to_owned(), outcome.to_owned()));
    assert_eq!(outcomes(&desk), expected);
    assert_eq!(desk.found(&desk.data(), "\"kingfisher dives\"").len(), 1);

    // A hard link is a file of its own: the other name stays when one goes.
    std::fs::remove_file(folder.join("a.txt")).unwrap();
    // What the outer folder holds stays when the inner one is taken out.
    assert!(desk.run(&["remove", inner.to_str().unwrap()]).status.success());
    desk.add();
    assert_eq!(desk.found(&desk.data(), "\"heron stands\"").len(), 1);
    assert_eq!(desk.found(&desk.data(), "\"kingfisher dives\"").len(), 1);
    assert!(outcomes(&desk).iter().all(|(path, _)| path != "a.txt"));
}

#[test]
fn a_folder_that_goes_away_takes_nothing_with_it() {
    let Some(desk) = Desk::with_files(&[("a.txt", "The heron stands in the reeds.")]) else { return };
    let server = desk.serve();
    let away = desk.folder().with_file_name("away");
    let available =
        |wanted: bool| move |status: &serde_json::Value| status["folders"][0]["available"] == wanted;
    std::fs::rename(desk.folder(), &away).unwrap();
    server.until("the folder is missed", available(false));
    assert_eq!(desk.found(&desk.data(), "\"heron stands\"").len(), 1, "it goes on answering");
    assert_eq!(desk.get("/library/files").unwrap()["files"].as_array().unwrap().len(), 1);
    std::fs::rename(&away, desk.folder()).unwrap();
    server.until("the folder is back", available(true));
    let file = &desk.get("/library/files").unwrap()["files"][0];
    assert_eq!((&file["outcome"], &file["chunks"]), (&"indexed".into(), &file["embedded"]));
}

/// Waits for what is bound to become true.
fn until(wanted: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !wanted() {
        assert!(began.elapsed() < SECONDS, "waited in vain");
        std::thread::sleep(Duration::from_millis(100));
    }
}
