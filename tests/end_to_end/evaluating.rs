//! A set of one's own: drafted, measured, and a gate for what changes.

use serde_json::Value;

use crate::desk::Desk;

const LEASE: &str = "# Lease of 14 Harbour Street\n\n## Rent\n\nThe monthly rent of the flat in Harbour Street is 1,450 euros. \
                     It is due on the third working day of each month. The deposit of 2,900 euros is kept by Birch Ltd \
                     until the lease ends.\n\n## Pets\n\nDogs are not allowed in the building.\n";
const MINUTES: &str = "# Board minutes of March 2024\n\nThe board of Holm Orchards approved the purchase of a new delivery \
                       van for 38,000 euros. Anna Lund was elected chair of the board of Holm Orchards for two years, \
                       with five votes against one.\n";

#[test]
fn a_later_measurement_is_compared_with_an_earlier_one() {
    let Some(desk) = Desk::new() else { return };
    desk.write("set/docs/lease.md", LEASE);
    desk.write("set/docs/minutes.md", MINUTES);
    let start = LEASE.find("1,450").unwrap();
    let question = serde_json::json!({
        "id": "rent", "question": "How much is the monthly rent?",
        "relevant": [{"doc": "lease.md", "text": "1,450", "start": start, "end": start + 5}],
    });
    desk.write("set/queries.jsonl", question.to_string());
    let set = desk.folder().join("set");
    let set = set.to_str().unwrap();
    let mut report = desk.json(&["eval", set]);
    assert_eq!(report["hybrid"]["recall_at_5"], 1.0, "{report:#}");

    let baseline = desk.write("before.json", report.to_string());
    let again = ["eval", set, "--baseline", baseline.to_str().unwrap()];
    assert_eq!(desk.run(&again).status.code(), Some(0));
    report["hybrid"]["mrr"] = Value::from(1.5);
    desk.write("before.json", report.to_string());
    let worse = desk.run(&again);
    assert_eq!(worse.status.code(), Some(1));
    let told = String::from_utf8(worse.stderr).unwrap();
    let line = told.lines().find(|line| line.ends_with("worse")).unwrap_or_else(|| panic!("{told}"));
    assert!(line.starts_with("hybrid mrr"), "{told}");
}

#[test]
fn drafted_questions_quote_the_documents_and_can_be_measured() {
    let Some(desk) = Desk::with_files(&[("lease.md", LEASE), ("minutes.md", MINUTES)]) else { return };
    let folder = desk.folder();
    let set = desk.folder().parent().unwrap().join("mine");
    let init = ["eval", "init", folder.to_str().unwrap(), "--out", set.to_str().unwrap()];
    let nobody = desk.run(&init);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("hint: pass `--yes`"));

    let drafted = desk.run(&[&init[..], &["--yes", "--questions", "4"]].concat());
    if drafted.status.code() == Some(3) {
        // The smallest model may draft nothing that holds; then no set is made.
        assert!(!set.exists());
        return;
    }
    assert_eq!(drafted.status.code(), Some(0), "{}", String::from_utf8_lossy(&drafted.stderr));
    let lines = std::fs::read_to_string(set.join("queries.jsonl")).unwrap();
    for line in lines.lines() {
        let question: Value = serde_json::from_str(line).unwrap();
        let gold = &question["relevant"][0];
        let text = std::fs::read_to_string(folder.join(gold["doc"].as_str().unwrap())).unwrap();
        let (start, end) = (gold["start"].as_u64().unwrap(), gold["end"].as_u64().unwrap());
        let cut: String = text.chars().skip(start as usize).take((end - start) as usize).collect();
        assert_eq!(cut, gold["text"].as_str().unwrap());
    }
    let report = desk.json(&["eval", set.to_str().unwrap()]);
    assert_eq!(report["questions"], lines.lines().count());
    assert!(report["hybrid"]["span_hit_at_5"].as_f64().unwrap() > 0.0, "{report:#}");
    let again = desk.run(&[&init[..], &["--yes"]].concat());
    assert!(String::from_utf8(again.stderr).unwrap().contains("holds a set already"));
}
