//! Deleted is gone: proved by scanning the bytes of every file of the library.

use std::fs;
use std::path::Path;

use carrel_index::{AuditEntry, Conversation, Tuning};

use crate::shelf::{Shelf, by_vectors, embed, keywords};

/// Words that occur nowhere else, and their folded forms as an index would hold them.
const SECRETS: [&str; 5] =
    ["Xylophonquartett", "xylophonquartett", "Zzyzxgasse", "zzyzxgasse", "77123409911"];
const SECRET: &str = "Das Xylophonquartett tagt in der Zzyzxgasse, Konto 77123409911.";

fn bytes_under(directory: &Path, sink: &mut impl FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => bytes_under(&path, sink),
            // A file may go between being listed and being read, and then holds nothing.
            false => match fs::read(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                bytes => sink(&path, &bytes.unwrap()),
            },
        }
    }
}

/// Files that hold any of `needles`.
fn holding(shelf: &Shelf, needles: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    bytes_under(&shelf.path(), &mut |path, bytes| {
        for needle in needles {
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(path.display().to_string());
            }
        }
    });
    found
}

fn secrets() -> Vec<Vec<u8>> {
    SECRETS.iter().map(|secret| secret.as_bytes().to_vec()).collect()
}

/// The secret's vector in half precision: a stretch of it long enough to be its own.
fn vector() -> Vec<u8> {
    let bytes: Vec<u8> =
        embed(SECRET).iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect();
    bytes[..48].to_vec()
}

fn fill(shelf: &Shelf) {
    for i in 0..80 {
        shelf.put(&format!("/d/{i}.txt"), &format!("An ordinary note, number {i}, about topic{}.", i % 9));
    }
    shelf.settle();
    let id = shelf.add("/d/secret.txt", &format!("{SECRET}\n\nEin zweiter Absatz mit dem Xylophonquartett."));
    shelf
        .index()
        .save_conversation(&Conversation {
            id: "c1".into(),
            title: "Xylophonquartett?".into(),
            body: SECRET.into(),
            created: 1,
            updated: 1,
            documents: vec![id],
        })
        .unwrap();
    let body = format!("asked: where? answered: {SECRET}");
    shelf
        .index()
        .append_audit(&AuditEntry { time: 1, kind: "ask".into(), body, documents: vec![id] })
        .unwrap();
    for i in 0..20 {
        shelf.add(&format!("/d/later {i}.txt"), &format!("Another ordinary note, number {i}."));
    }
}

fn check(tuning: Tuning) {
    let mut shelf = Shelf::tuned(tuning);
    fill(&shelf);
    assert!(!holding(&shelf, &secrets()).is_empty(), "the scan can find what is there");
    assert!(!holding(&shelf, &[vector()]).is_empty(), "the scan can find vectors");
    // An edit first: the former text must go too.
    shelf.add("/d/secret.txt", "Das Xylophonquartett ist umgezogen.");
    shelf.index().remove(&["/d/secret.txt".into()]).unwrap();
    shelf.index().erase().unwrap();
    assert_eq!(holding(&shelf, &secrets()), [""; 0]);
    assert_eq!(holding(&shelf, &[vector()]), [""; 0]);

    assert!(shelf.find(&keywords("Xylophonquartett")).is_empty());
    assert_eq!(shelf.index().conversation("c1").unwrap(), None);
    let report = shelf.index().verify_audit().unwrap();
    assert_eq!((report.entries, report.erased, report.broken), (1, 1, None));
    assert_eq!(shelf.index().integrity().unwrap().problems, [""; 0]);
    assert_eq!(shelf.find(&by_vectors("ordinary note, number 7")).len(), 10);
    shelf.reopen();
    assert_eq!(holding(&shelf, &secrets()), [""; 0]);
    assert_eq!(shelf.find(&keywords("topic3")).len(), 9);
}

#[test]
fn an_erased_document_is_in_no_file() {
    check(Tuning::default());
}

#[test]
fn an_erased_document_is_in_no_file_with_an_approximate_index_either() {
    check(Tuning { exact_up_to: 60, append_rows: 10 });
}

#[test]
fn removing_a_folder_erases_what_no_other_folder_covers() {
    let shelf = Shelf::new();
    let outer = shelf.index().add_folder(Path::new("/d")).unwrap();
    let inner = shelf.index().add_folder(Path::new("/d/kept")).unwrap();
    assert_eq!(shelf.index().add_folder(Path::new("/d")).unwrap(), outer);
    shelf.add("/d/secret.txt", SECRET);
    shelf.add("/d/kept/note.txt", "A note to keep.");
    shelf.index().remove_folder(outer).unwrap();
    assert_eq!(holding(&shelf, &secrets()), [""; 0]);
    let paths: Vec<_> = shelf.index().files().unwrap().into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["/d/kept/note.txt"]);
    assert_eq!(shelf.index().folders().unwrap().iter().map(|folder| folder.id).collect::<Vec<_>>(), [inner]);
    assert!(shelf.index().remove_folder(outer).is_err());
}
