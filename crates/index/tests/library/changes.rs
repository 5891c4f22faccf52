//! Putting, editing, moving and removing documents.

use carrel_corpus::{Document, DocumentId, Outcome, Passage};
use carrel_index::{FileStamp, Filter, Reading};

use crate::shelf::{Shelf, by_vectors, chunks, document, hybrid, keywords, stamp, texts};

const LEASE: &str =
    "The tenant pays rent of 900 euros on the third of each month.\n\nThe deposit is two months' rent.";

#[test]
fn a_document_is_found_by_keywords_before_it_has_vectors_and_by_both_after() {
    let shelf = Shelf::new();
    shelf.put("/desk/lease.txt", LEASE);
    assert!(shelf.paths("deposit").is_empty(), "nothing is visible before it is published");
    shelf.index().publish().unwrap();
    let found = shelf.index().search(&hybrid("deposit")).unwrap();
    assert_eq!(found[0].text, "The deposit is two months' rent.");
    assert_eq!((found[0].bm25.is_some(), found[0].similarity), (true, None));
    let coverage = shelf.index().coverage(&Filter::default()).unwrap();
    assert_eq!((coverage.files, coverage.searched, coverage.chunks, coverage.embedded), (1, 1, 2, 0));

    shelf.settle();
    let found = shelf.index().search(&hybrid("deposit")).unwrap();
    assert!(found[0].similarity.is_some_and(|similarity| similarity > 0.1));
    assert_eq!(shelf.index().coverage(&Filter::default()).unwrap().embedded, 2);
}

#[test]
fn an_edit_embeds_only_what_changed_and_the_former_text_answers_until_it_is_published() {
    let shelf = Shelf::new();
    let id = shelf.add("/desk/lease.txt", LEASE);
    let before = shelf.index().passages(id).unwrap();
    let edited = LEASE.replace("900", "950");
    assert_eq!(shelf.put("/desk/lease.txt", &edited), id, "a document keeps its id");

    let old = shelf.find(&keywords("rent of 900 euros"));
    assert!(old[0].1.contains("900"), "the former text still answers");
    let pending = shelf.index().pending_vectors(9).unwrap();
    assert_eq!(pending.len(), 1, "only the changed paragraph is embedded");
    assert!(pending[0].1.contains("950"));
    shelf.settle();

    let after = shelf.index().passages(id).unwrap();
    assert_eq!(after[1].chunk, before[1].chunk, "an unchanged chunk keeps its id");
    assert_ne!(after[0].chunk, before[0].chunk);
    assert!(shelf.find(&keywords("rent of 900 euros")).iter().all(|(_, text)| !text.contains("900")));
    assert!(shelf.find(&hybrid("rent of 950 euros"))[0].1.contains("950"));
    assert_eq!(shelf.index().document(id).unwrap().text, edited);
    assert_eq!(shelf.index().integrity().unwrap().problems, [""; 0]);
}

#[test]
fn offsets_follow_text_that_moves_inside_its_document() {
    let shelf = Shelf::new();
    let id = shelf.add("/desk/lease.txt", LEASE);
    shelf.put("/desk/lease.txt", &format!("Präambel.\n\n{LEASE}"));
    assert_eq!(shelf.index().pending_vectors(9).unwrap().len(), 1);
    shelf.settle();
    let stored = shelf.index().document(id).unwrap();
    for passage in shelf.index().passages(id).unwrap() {
        assert_eq!(passage.text, passage.span.of(&stored.text));
    }
    assert_eq!(shelf.find(&keywords("deposit"))[0].1, "The deposit is two months' rent.");
}

#[test]
fn a_moved_or_copied_text_is_never_embedded_again() {
    let shelf = Shelf::new();
    let id = shelf.add("/desk/lease.txt", LEASE);
    let moved = FileStamp { inode: 9, ..stamp("/desk/old/lease.txt", LEASE) };
    shelf.index().rename("/desk/lease.txt", "/desk/old/lease.txt", &moved).unwrap();
    shelf.put("/desk/copy.txt", LEASE);
    assert!(shelf.index().pending_vectors(9).unwrap().is_empty());
    shelf.settle();
    let files = shelf.index().files().unwrap();
    let paths: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.embedded)).collect();
    assert_eq!(paths, [("/desk/copy.txt", 2), ("/desk/old/lease.txt", 2)]);
    assert_eq!((files[1].document, files[1].inode), (id, 9));
    let folder = Filter { folders: vec!["/desk/old".into()], ..Filter::default() };
    let found = shelf.index().search(&carrel_index::Query { filter: folder, ..hybrid("deposit") }).unwrap();
    assert!(!found.is_empty() && found.iter().all(|passage| passage.path == "/desk/old/lease.txt"));
}

/// Puts a file that states no title, or a compressed one with what is in it.
fn put_nameless(shelf: &Shelf, path: &str, text: &str) {
    put_as(shelf, path, "", text);
}

fn put_as(shelf: &Shelf, path: &str, title: &str, text: &str) {
    let (file, inside) = path.split_once("!/").map_or((path, false), |(file, _)| (file, true));
    let packed = Document::unread("application/gzip", Outcome::Indexed);
    let container = Reading { path: file.into(), document: &packed, chunks: &[], texts: &[] };
    let document = Document { title: title.into(), ..document(text) };
    let chunks = chunks(text);
    let texts: Vec<String> = chunks.iter().map(|chunk| chunk.span.of(text).to_owned()).collect();
    let reading = Reading { path: path.into(), document: &document, chunks: &chunks, texts: &texts };
    let readings = if inside { vec![container, reading] } else { vec![reading] };
    shelf.index().put(&stamp(file, text), &readings).unwrap();
}

#[test]
fn a_new_name_of_a_compressed_file_costs_no_vector() {
    let shelf = Shelf::new();
    put_nameless(&shelf, "/desk/heron.txt.gz!/heron.txt", LEASE);
    shelf.settle();
    let now = stamp("/desk/osprey.txt.gz", LEASE);
    shelf.index().rename("/desk/heron.txt.gz", "/desk/osprey.txt.gz", &now).unwrap();
    put_nameless(&shelf, "/desk/osprey.txt.gz!/osprey.txt", LEASE);
    assert!(shelf.index().pending_vectors(9).unwrap().is_empty());
    shelf.settle();
    let files = shelf.index().files().unwrap();
    let files: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.embedded)).collect();
    assert_eq!(files, [("/desk/osprey.txt.gz", 0), ("/desk/osprey.txt.gz!/osprey.txt", 2)]);
}

#[test]
fn a_new_name_is_found_and_costs_no_vector() {
    let shelf = Shelf::new();
    put_nameless(&shelf, "/desk/heron.txt", LEASE);
    shelf.settle();
    let before = shelf.index().search(&by_vectors("deposit")).unwrap();
    shelf.index().rename("/desk/heron.txt", "/desk/osprey.txt", &stamp("/desk/osprey.txt", LEASE)).unwrap();
    assert_eq!(shelf.index().files().unwrap()[0].title, "osprey");
    put_nameless(&shelf, "/desk/osprey.txt", LEASE);
    assert!(shelf.index().pending_vectors(9).unwrap().is_empty());
    shelf.index().publish().unwrap();
    let file = &shelf.index().files().unwrap()[0];
    assert_eq!((file.title.as_str(), file.chunks, file.embedded), ("osprey", 2, 2));
    assert_eq!(shelf.find(&keywords("osprey")).len(), 2);
    assert!(shelf.find(&keywords("heron")).is_empty());
    let after = shelf.index().search(&by_vectors("deposit")).unwrap();
    let similarities = |found: &[Passage]| found.iter().map(|p| (p.span, p.similarity)).collect::<Vec<_>>();
    assert_eq!(similarities(&after), similarities(&before));
    shelf.index().erase().unwrap();
    assert!(shelf.index().integrity().unwrap().problems.is_empty());

    // Twice, and with a change of one paragraph of two.
    let edited = LEASE.replace("deposit", "bond");
    shelf.index().rename("/desk/osprey.txt", "/desk/tern.txt", &stamp("/desk/tern.txt", LEASE)).unwrap();
    put_nameless(&shelf, "/desk/tern.txt", &edited);
    assert_eq!(shelf.index().pending_vectors(9).unwrap().len(), 1);
}

#[test]
fn a_file_goes_by_its_name_while_it_states_no_title() {
    let shelf = Shelf::new();
    for (title, by_name) in [("Lease", 0), ("", 2), ("Lease", 0)] {
        put_as(&shelf, "/desk/kestrel.txt", title, LEASE);
        shelf.settle();
        assert_eq!(shelf.find(&keywords("kestrel")).len(), by_name, "with the title `{title}`");
        assert!(shelf.index().integrity().unwrap().problems.is_empty());
    }
}

#[test]
fn a_file_renamed_over_another_replaces_it() {
    let shelf = Shelf::new();
    shelf.add("/desk/a.txt", "About apples.");
    shelf.add("/desk/b.txt", "About bananas.");
    shelf.index().rename("/desk/a.txt", "/desk/b.txt", &stamp("/desk/b.txt", "About apples.")).unwrap();
    shelf.settle();
    assert_eq!(shelf.index().files().unwrap().len(), 1);
    assert_eq!(shelf.find(&keywords("apples")).len(), 1);
    assert!(shelf.find(&keywords("bananas")).is_empty());
}

#[test]
fn a_removed_document_is_found_no_more_even_before_it_is_published() {
    let shelf = Shelf::new();
    shelf.add("/desk/lease.txt", LEASE);
    shelf.add("/desk/note.txt", "The deposit was paid back.");
    assert_eq!(shelf.index().remove(&["/desk/lease.txt".into(), "/no/such".into()]).unwrap(), 1);
    assert_eq!(shelf.paths("deposit"), ["/desk/note.txt"]);
    shelf.settle();
    assert_eq!(shelf.paths("deposit"), ["/desk/note.txt"]);
    assert_eq!(shelf.index().integrity().unwrap().problems, [""; 0]);
}

/// Puts a mail whose attachments have these texts.
fn put_mail(shelf: &Shelf, attachments: &[(&str, &str)]) -> DocumentId {
    let documents: Vec<Document> = attachments.iter().map(|(_, text)| document(text)).collect();
    let cut: Vec<_> = attachments.iter().map(|(_, text)| chunks(text)).collect();
    let embedded: Vec<_> = attachments.iter().zip(&cut).map(|((_, text), cut)| texts(text, cut)).collect();
    let mail = document("See attached.");
    let (mail_chunks, mail_texts) = (chunks(&mail.text), vec![mail.text.clone()]);
    let path = "/desk/mail.eml".to_owned();
    let mut readings =
        vec![Reading { path: path.clone(), document: &mail, chunks: &mail_chunks, texts: &mail_texts }];
    for (at, (name, _)) in attachments.iter().enumerate() {
        let path = format!("{path}!/{name}");
        readings.push(Reading { path, document: &documents[at], chunks: &cut[at], texts: &embedded[at] });
    }
    shelf.index().put(&stamp(&path, "mail"), &readings).unwrap()
}

#[test]
fn members_come_move_and_go_with_their_container() {
    let shelf = Shelf::new();
    let mail = put_mail(&shelf, &[("offer.txt", "We offer 40 chairs."), ("empty.txt", "")]);
    shelf.settle();
    assert_eq!(shelf.paths("chairs")[0], "/desk/mail.eml!/offer.txt");
    let files = shelf.index().files().unwrap();
    assert_eq!(files.len(), 3);
    assert!(files[1..].iter().all(|file| file.container == Some(mail)));
    let coverage = shelf.index().coverage(&Filter::default()).unwrap();
    assert_eq!((coverage.files, coverage.searched), (1, 1));
    assert_eq!(coverage.unread, [("/desk/mail.eml!/empty.txt".to_owned(), "empty".to_owned())]);

    shelf.index().rename("/desk/mail.eml", "/desk/new.eml", &stamp("/desk/new.eml", "mail")).unwrap();
    shelf.settle();
    assert_eq!(shelf.paths("chairs")[0], "/desk/new.eml!/offer.txt");

    shelf.index().remove(&["/desk/new.eml".into()]).unwrap();
    shelf.settle();
    assert!(shelf.index().files().unwrap().is_empty());
    assert!(shelf.paths("chairs").is_empty());

    put_mail(&shelf, &[("offer.txt", "We offer 40 chairs.")]);
    put_mail(&shelf, &[("bill.txt", "You pay for 40 chairs.")]);
    shelf.settle();
    let found = shelf.find(&keywords("chairs"));
    assert_eq!(found, [("/desk/mail.eml!/bill.txt".to_owned(), "You pay for 40 chairs.".to_owned())]);
}

#[test]
fn many_files_are_put_in_one_transaction() {
    let shelf = Shelf::new();
    let all: Vec<String> = (0..50).map(|i| format!("Note number {i} about topic{i}.")).collect();
    let documents: Vec<Document> = all.iter().map(|text| document(text)).collect();
    let cut: Vec<_> = all.iter().map(|text| chunks(text)).collect();
    let files: Vec<_> = (0..50)
        .map(|i| {
            let path = format!("/desk/{i}.txt");
            let texts = std::slice::from_ref(&all[i]);
            let reading = Reading { path: path.clone(), document: &documents[i], chunks: &cut[i], texts };
            (stamp(&path, &all[i]), vec![reading])
        })
        .collect();
    let before = shelf.index().sequence().unwrap();
    assert_eq!(shelf.index().put_many(&files).unwrap().len(), 50);
    assert_eq!(shelf.index().sequence().unwrap(), before + 50, "each document is a change of its own");
    shelf.settle();
    assert_eq!(shelf.paths("topic37")[0], "/desk/37.txt");
}

#[test]
fn the_ledger_keeps_every_outcome() {
    let shelf = Shelf::new();
    for (path, outcome) in [
        ("/desk/a.pdf", Outcome::Encrypted),
        ("/desk/b.pdf", Outcome::PartlyRead { missing: "page 3: no text".into() }),
        ("/desk/c.bin", Outcome::Unsupported { kind: "application/octet-stream".into() }),
        ("/desk/d.tmp", Outcome::Ignored { rule: "*.tmp".into() }),
    ] {
        let unread = Document::unread("application/pdf", outcome.clone());
        let reading = Reading { path: path.into(), document: &unread, chunks: &[], texts: &[] };
        shelf.index().put(&stamp(path, ""), &[reading]).unwrap();
        let files = shelf.index().files().unwrap();
        assert_eq!(files.iter().find(|file| file.path == path).unwrap().outcome, outcome);
    }
    let coverage = shelf.index().coverage(&Filter::default()).unwrap();
    assert_eq!((coverage.files, coverage.searched, coverage.unread.len()), (3, 1, 3));
}
