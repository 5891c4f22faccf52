//! Conversations, models and the audit log.

use carrel_index::{AuditEntry, Conversation, ModelUse};

use crate::shelf::Shelf;

#[test]
fn conversations_are_kept_and_last_used_come_first() {
    let mut shelf = Shelf::new();
    let document = shelf.add("/d/a.txt", "Some text.");
    let conversation = |id: &str, updated| Conversation {
        id: id.into(),
        title: format!("about {id}"),
        body: "{}".into(),
        created: 1,
        updated,
        documents: vec![document],
    };
    shelf.index().save_conversation(&conversation("a", 5)).unwrap();
    shelf.index().save_conversation(&conversation("b", 6)).unwrap();
    shelf.index().save_conversation(&conversation("a", 7)).unwrap();
    shelf.reopen();
    let all: Vec<_> = shelf.index().conversations().unwrap().into_iter().map(|kept| kept.id).collect();
    assert_eq!(all, ["a", "b"]);
    assert_eq!(shelf.index().conversation("a").unwrap(), Some(conversation("a", 7)));
    assert!(shelf.index().delete_conversation("a").unwrap());
    assert!(!shelf.index().delete_conversation("a").unwrap());
}

#[test]
fn a_model_replaces_the_one_before_it_in_its_role() {
    let shelf = Shelf::new();
    let model = |name: &str| ModelUse { role: "generator".into(), name: name.into(), digest: "d".into() };
    shelf.index().use_model(&model("small")).unwrap();
    shelf.index().use_model(&model("large")).unwrap();
    assert_eq!(shelf.index().models().unwrap(), [model("large")]);
}

#[test]
fn a_changed_audit_log_shows() {
    let mut shelf = Shelf::new();
    let entry = |body: &str| AuditEntry { time: 3, kind: "ask".into(), body: body.into(), documents: vec![] };
    let heads: Vec<_> =
        ["one", "two", "three"].map(|body| shelf.index().append_audit(&entry(body)).unwrap()).to_vec();
    let report = shelf.index().verify_audit().unwrap();
    assert_eq!((report.entries, report.broken, report.head), (3, None, heads[2]));
    assert_eq!(shelf.index().audit(2, 9).unwrap()[0].body.as_deref(), Some("two"));
    shelf.close();
    for (change, first_broken) in [
        ("UPDATE audit SET body = 'two!' WHERE number = 2", 2),
        ("UPDATE audit SET time = 4 WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 2", 3),
    ] {
        let mut copy = shelf.crashed();
        let catalog = rusqlite::Connection::open(copy.path().join("catalog.sqlite")).unwrap();
        catalog.execute(change, []).unwrap();
        drop(catalog);
        copy.reopen();
        assert_eq!(copy.index().verify_audit().unwrap().broken, Some(first_broken), "{change}");
    }
}
