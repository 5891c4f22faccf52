//! Questions and their answers.

use serde_json::Value;

use crate::desk::Desk;

const LEASE: &str = "# Lease of 14 Harbour Street\n\n## Rent\n\nThe monthly rent is 1,450 euros. It is due on the third \
                     working day of each month.\n\n## Pets\n\nDogs are not allowed in the building.\n";
const MINUTES: &str =
    "# Board minutes\n\nThe board approved the purchase of a new delivery van for 38,000 euros.\n";

fn desk() -> Option<Desk> {
    Desk::with_files(&[("lease.md", LEASE), ("minutes/2024-03.md", MINUTES)])
}

fn ask(desk: &Desk, question: &str) -> Value {
    desk.json(&["ask", question, "--folder", desk.folder().to_str().unwrap()])
}

#[test]
fn an_answer_cites_the_exact_words_of_its_source() {
    let Some(desk) = desk() else { return };
    let answer = ask(&desk, "How much is the monthly rent?");
    assert_eq!(answer["refused"], false, "{answer:#}");
    assert!(answer["answer"].as_str().unwrap().contains("1,450"), "{answer:#}");
    let citations: Vec<&Value> = answer["claims"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|claim| claim["citations"].as_array().unwrap())
        .collect();
    assert!(!citations.is_empty(), "{answer:#}");
    for citation in citations {
        let text = std::fs::read_to_string(citation["path"].as_str().unwrap()).unwrap();
        let span = citation["span"].as_array().unwrap();
        let (start, end) = (span[0].as_u64().unwrap() as usize, span[1].as_u64().unwrap() as usize);
        assert_eq!(&text[start..end], citation["quote"].as_str().unwrap());
    }
    assert_eq!(answer["coverage"]["text"], "2 of 2 files searched");
}

/// Many articles about dates, and one line at the top that says when and between whom.
fn agreement() -> String {
    let mut text =
        "# Reseller Agreement\n\nMade on 4 March 2011 between Alba Imaging Ltd and Birch GmbH, who have signed below.\n"
        .to_owned();
    for article in 1..=12 {
        text += &format!(
            "\n## Article {article}\n\nThe date of the contract for goods of class {article} is the date on which the contract \
             for them is signed by the buyer of that class."
        );
        for number in 1..=8 {
            text += &format!(
                " The date of a contract of class {article} and number {number} is kept in the register of contracts at its \
                 date."
            );
        }
        text += "\n";
    }
    text
}

#[test]
fn a_document_that_a_question_names_is_read_from_its_beginning() {
    let Some(desk) = Desk::with_files(&[("reseller.md", &agreement()), ("minutes.md", MINUTES)]) else {
        return;
    };
    let answer = ask(
        &desk,
        "Consider the Reseller Agreement between Alba Imaging Ltd and Birch GmbH. The date of the contract",
    );
    let passages = answer["passages"].as_array().unwrap();
    assert!(passages.iter().any(|passage| passage["span"][0] == 0), "{passages:#?}");
}

#[test]
fn the_answer_names_its_sources_in_the_terminal() {
    let Some(desk) = desk() else { return };
    let output =
        desk.run(&["ask", "How much is the monthly rent?", "--folder", desk.folder().to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("lease.md"), "{text}");
    assert!(text.contains("2 of 2 files searched"), "{text}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_the_documents_do_not_say_is_refused_with_exit_code_3() {
    let Some(desk) = desk() else { return };
    let question = "Who won the chess olympiad in Budapest?";
    let output = desk.run(&["ask", question, "--folder", desk.folder().to_str().unwrap(), "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["refused"], true, "{answer:#}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_same_question_gets_the_same_bytes() {
    let Some(desk) = desk() else { return };
    let text = || {
        let mut answer = ask(&desk, "What did the board approve?");
        for measured in ["seconds_to_first_token", "tokens_per_second", "conversation"] {
            answer[measured] = Value::Null;
        }
        answer.to_string()
    };
    let first = text();
    assert_eq!(first, text());
    assert_eq!(first, text());
}

#[test]
fn a_running_server_answers_for_the_command_line() {
    let Some(desk) = desk() else { return };
    let server = desk.serve();
    let answer = desk.json(&["ask", "How much is the monthly rent?"]);
    assert!(answer["answer"].as_str().unwrap().contains("1,450"), "{answer:#}");
    let found = desk.found(&desk.data(), "\"delivery van\"");
    assert_eq!(found.len(), 1);
    assert!(found[0].0.ends_with("minutes/2024-03.md"));
    drop(server);
}
