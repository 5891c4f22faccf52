//! Work over whole documents: every document visited, summaries, comparisons, tables.

use carrel::library::Scope;
use serde_json::Value;

use crate::desk::Desk;

const SUPPLY: &str = "Supply agreement between Birch Ltd and Holm Orchards.\n\nNon-compete. For two years after this \
                      agreement ends, the supplier shall not compete with the buyer in the same district.\n";
const CONSULTING: &str = "Consulting agreement with Anna Lund.\n\nNon-compete clause: the consultant shall not work \
                          for a competitor of the company for twelve months.\n";
const LEASE: &str = "Lease of a flat in Harbour Street.\n\nThe monthly rent of the flat is 900 euros. Dogs are not \
                     allowed.\n";

fn desk() -> Option<Desk> {
    Desk::with_files(&[("supply.txt", SUPPLY), ("consulting.txt", CONSULTING), ("lease.txt", LEASE)])
}

fn path(desk: &Desk, name: &str) -> String {
    desk.folder().join(name).to_str().unwrap().to_owned()
}

/// The quotation stands in the file that it names, word for word.
fn assert_verbatim(cited: &Value) {
    let text = std::fs::read_to_string(cited["path"].as_str().unwrap()).unwrap();
    let quote = cited["quote"].as_str().unwrap();
    assert!(!quote.is_empty() && text.contains(quote), "{cited:#}");
}

#[test]
fn a_question_about_every_document_visits_every_document() {
    let Some(desk) = desk() else { return };
    let question = "Which of these contracts have a non-compete clause?";
    let listing = desk.json(&["list", question, "--folder", desk.folder().to_str().unwrap()]);
    assert_eq!(listing["question"], question);
    assert_eq!(listing["wanted"], "list");
    assert_eq!(listing["criterion"], "a non-compete clause");
    assert_eq!((&listing["visited"], &listing["total"]), (&Value::from(3), &Value::from(3)));
    let rows = listing["rows"].as_array().unwrap();
    let mut visited: Vec<&str> =
        rows.iter().map(|row| row["path"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
    visited.sort_unstable();
    assert_eq!(visited, ["consulting.txt", "lease.txt", "supply.txt"]);
    for row in rows {
        assert_eq!(row["meets"].as_bool().unwrap(), row["probability"].as_f64().unwrap() >= 0.5, "{row:#}");
        assert_eq!(row["evidence"]["path"], row["path"]);
        assert_verbatim(&row["evidence"]);
    }
}

#[test]
fn such_a_question_is_answered_by_visiting_all_or_names_the_command_that_does() {
    let Some(desk) = desk() else { return };
    let folder = path(&desk, "");
    let answer = desk.json(&["ask", "Which documents mention Anna Lund?", "--folder", &folder]);
    assert_eq!(answer["answer"].as_str().unwrap().lines().next(), Some("1 of 3 documents:"), "{answer:#}");
    assert_eq!(answer["asks_for_all"], false);
    let cited = &answer["claims"][1]["citations"][0];
    assert!(cited["path"].as_str().unwrap().ends_with("consulting.txt"));
    assert_verbatim(cited);
    let said = |question: &str| {
        let output = desk.run(&["ask", question, "--folder", &folder]);
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said("List all contracts from Birch Ltd").contains("`carrel list`"));
    assert!(!said("How much is the monthly rent?").contains("`carrel list`"));
}

#[test]
fn a_question_for_a_summary_reads_the_document_that_it_names() {
    let Some(desk) = desk() else { return };
    let question = ["ask", "Summarise the supply agreement with Holm Orchards", "--folder", &path(&desk, "")];
    let answer = desk.json(&question);
    assert!(!answer["claims"].as_array().unwrap().is_empty(), "{answer:#}");
    for cited in
        answer["claims"].as_array().unwrap().iter().flat_map(|claim| claim["citations"].as_array().unwrap())
    {
        assert!(cited["path"].as_str().unwrap().ends_with("supply.txt"), "{cited:#}");
        assert_verbatim(cited);
    }
}

#[test]
fn every_point_of_a_summary_is_cited() {
    let Some(desk) = desk() else { return };
    let summary = desk.json(&["summarise", &path(&desk, "")]);
    assert_eq!(summary["coverage"]["text"], "3 of 3 files searched");
    for claim in summary["claims"].as_array().unwrap() {
        assert_eq!(claim["support"], "supported", "{claim:#}");
        assert!(summary["summary"].as_str().unwrap().contains(claim["text"].as_str().unwrap()));
        let citations = claim["citations"].as_array().unwrap();
        assert!(!citations.is_empty(), "{claim:#}");
        citations.iter().for_each(assert_verbatim);
    }
    let one = desk.json(&["summarise", &path(&desk, "lease.txt")]);
    assert_eq!(one["coverage"]["text"], "1 of 1 files searched");
}

#[test]
fn a_comparison_shows_both_sides_of_a_change() {
    let Some(desk) = desk() else { return };
    desk.write("renewed.txt", LEASE.replace("900", "950"));
    let comparison = desk.json(&["compare", &path(&desk, "lease.txt"), &path(&desk, "renewed.txt")]);
    let differences = comparison["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{comparison:#}");
    assert_eq!(differences[0]["kind"], "changed");
    for (side, figure) in [("first", "900"), ("second", "950")] {
        assert_verbatim(&differences[0][side]);
        assert!(differences[0][side]["quote"].as_str().unwrap().contains(figure), "{comparison:#}");
    }
}

#[test]
fn a_table_has_a_row_for_every_document_and_a_source_for_every_value() {
    let Some(desk) = desk() else { return };
    let folder = path(&desk, "");
    let elsewhere = tempfile::tempdir().unwrap();
    let schema = elsewhere.path().join("schema.json");
    std::fs::write(
        &schema,
        r#"{"type": "object", "properties": {"party": {"type": "string", "description": "name of a party"}},
            "required": ["party"], "additionalProperties": false}"#,
    )
    .unwrap();
    let schema = schema.to_str().unwrap();
    let table = desk.json(&["table", schema, "--folder", &folder]);
    let rows = table.as_array().unwrap();
    assert_eq!(rows.len(), 3, "{table:#}");
    for row in rows {
        let citations = row["party"]["citations"].as_array().unwrap();
        assert_eq!(citations.is_empty(), row["party"]["supported"] == false, "{row:#}");
        let text = std::fs::read_to_string(row["path"].as_str().unwrap()).unwrap();
        assert!(citations.iter().all(|cited| text.contains(cited["quote"].as_str().unwrap())), "{row:#}");
    }
    let output = desk.run(&["table", schema, "--folder", &folder]);
    let csv = String::from_utf8(output.stdout).unwrap();
    assert!(csv.starts_with("path,party,party (source)\r\n"), "{csv}");
}

#[test]
fn a_running_server_does_the_work_for_the_command_line() {
    let Some(desk) = desk() else { return };
    desk.write("renewed.txt", LEASE.replace("900", "950"));
    let server = desk.serve();
    let listing = desk.json(&["list", "a non-compete clause"]);
    assert_eq!((&listing["visited"], &listing["total"]), (&Value::from(4), &Value::from(4)));
    listing["rows"].as_array().unwrap().iter().for_each(|row| assert_verbatim(&row["evidence"]));

    let summary = desk.json(&["summarise", &path(&desk, "lease.txt")]);
    assert_eq!(summary["coverage"]["text"], "1 of 1 files searched");
    let comparison = desk.json(&["compare", &path(&desk, "lease.txt"), &path(&desk, "renewed.txt")]);
    assert_eq!(comparison["differences"].as_array().unwrap().len(), 1, "{comparison:#}");

    let schema = desk.data().join("schema.json");
    std::fs::write(&schema, r#"{"type": "object", "properties": {"party": {"type": ["string", "null"]}}}"#)
        .unwrap();
    let table = desk.json(&["table", schema.to_str().unwrap()]);
    assert_eq!(table.as_array().unwrap().len(), 4, "{table:#}");
    let refused = desk.run(&["summarise", "/etc/hostname-that-is-not-there"]);
    assert_eq!(refused.status.code(), Some(1));

    drop(server);
    let doctor = desk.run(&["doctor"]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("4 entries"), "{said}");
}

#[test]
fn work_over_one_file_reads_that_file_alone() {
    let Some(desk) = desk() else { return };
    let summary = desk.json(&["summarise", &path(&desk, "lease.txt")]);
    assert_eq!(summary["coverage"]["files"], 1);
    let status = desk.json(&["status"]);
    assert_eq!(status["files"].as_array().unwrap().len(), 0, "{status:#}");
    let left: Vec<String> = std::fs::read_dir(desk.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("reading-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_spreadsheet_holds_every_value_with_its_words() {
    let Some(desk) = desk() else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let schema = elsewhere.path().join("schema.json");
    let workbook = elsewhere.path().join("parties.xlsx");
    std::fs::write(
        &schema,
        r#"{"type": "object", "properties": {"party": {"type": "string", "description": "name of a party"}},
            "required": ["party"], "additionalProperties": false}"#,
    )
    .unwrap();
    let folder = path(&desk, "");
    let args = ["table", schema.to_str().unwrap(), "--folder", &folder];
    let table = desk.json(&args);
    let written =
        desk.run(&[&args[..], &["--format", "xlsx", "--output", workbook.to_str().unwrap()]].concat());
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stderr));
    // Read back by another implementation than the one that wrote it.
    let read = desk.run(&["extract", workbook.to_str().unwrap()]);
    let text = String::from_utf8(read.stdout).unwrap();
    for row in table.as_array().unwrap() {
        assert!(text.contains(row["path"].as_str().unwrap()), "{text}");
        assert!(text.contains(row["party"]["value"].as_str().unwrap().trim()), "{text}");
        for cited in row["party"]["citations"].as_array().unwrap() {
            let words = cited["quote"].as_str().unwrap().split('\n').next().unwrap();
            assert!(text.contains(words), "{text}");
        }
    }
}

#[test]
fn a_visit_that_was_broken_off_goes_on_where_it_was_also_after_a_restart() {
    use std::ops::ControlFlow;
    let Some(desk) = desk() else { return };
    let visit = |stop_after: usize| {
        let library = desk.library();
        let mut seen = Vec::new();
        let visit = library
            .visit("a non-compete clause", &Scope::default(), &mut |visited| {
                seen.push(visited.done);
                if visited.done == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        library.stop();
        (seen, visit)
    };
    let jobs = || std::fs::read_dir(desk.data().join("jobs")).map_or(0, |files| files.count());
    let (seen, broken) = visit(1);
    assert_eq!((seen, broken.found.rows.len(), jobs()), (vec![1], 1, 1));
    let (seen, whole) = visit(0);
    assert_eq!((seen, whole.found.rows.len(), jobs()), (vec![2, 3], 3, 0));
    assert_eq!(whole.found.rows[0].evidence, broken.found.rows[0].evidence);
    let (seen, again) = visit(0);
    assert_eq!((seen, again.found.rows == whole.found.rows), (vec![1, 2, 3], true));

    // A document that changes is visited again.
    visit(1);
    let first = whole.found.rows[0].path.clone();
    std::fs::write(&first, "Another text altogether. Nothing in it is agreed with anybody.").unwrap();
    assert_eq!(visit(0).0, [1, 2, 3]);
}
