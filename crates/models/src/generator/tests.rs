use carrel_corpus::{Message, Role, Sampling};

use super::*;
use crate::testing;

const MODEL: &str = "smollm2:135m";

fn load(cache_dir: Option<&Path>, speculation: bool, threads: usize) -> Option<LocalGenerator> {
    load_with(CacheType::F16, cache_dir, speculation, threads)
}

fn load_with(
    cache: CacheType,
    cache_dir: Option<&Path>,
    speculation: bool,
    threads: usize,
) -> Option<LocalGenerator> {
    let store = testing::store_with(MODEL)?;
    let options = GeneratorOptions {
        threads,
        context_tokens: 2048,
        cache,
        cache_dir: cache_dir.map(Path::to_owned),
        speculation,
    };
    Some(LocalGenerator::load(&store, MODEL, options).unwrap())
}

fn message(role: Role, content: &str) -> Message {
    Message { role, content: content.to_owned() }
}

fn prompt(messages: Vec<Message>) -> Prompt {
    Prompt {
        messages,
        reply_prefix: String::new(),
        max_tokens: 40,
        stop: Vec::new(),
        sampling: Sampling::GREEDY,
        json_schema: None,
    }
}

const SYSTEM: &str = "You answer from the passage and from nothing else, and quote it word for word. Be brief. \
    Say so when the passage does not answer. Never invent. Give the number that the passage gives, with its unit, and \
    name nothing that is not in the passage. Do not greet, do not explain, do not repeat the question.";
const PASSAGE: &str = "Passage: The tenant shall pay a monthly rent of 1,450 euros in advance, on the first working \
    day of each month, to the account named in schedule B. The deposit amounts to three monthly rents.";

fn question(text: &str) -> Prompt {
    prompt(vec![message(Role::System, SYSTEM), message(Role::User, &format!("{PASSAGE}\n\n{text}"))])
}

fn ask(generator: &LocalGenerator, prompt: &Prompt) -> Generation {
    let mut streamed = String::new();
    let generation = generator
        .generate(prompt, &mut |piece| {
            streamed.push_str(piece);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(streamed, generation.text);
    generation
}

#[test]
fn answers_are_the_same_bytes_cold_and_warm_and_however_they_are_made() {
    for cache in [CacheType::F16, CacheType::Q8] {
        check_warm_and_cold(cache);
    }
}

fn check_warm_and_cold(cache: CacheType) {
    let (Some(plain), Some(guessing)) = (load_with(cache, None, false, 1), load_with(cache, None, true, 2))
    else {
        return;
    };
    let first = question("Repeat the passage.");
    let cold = ask(&plain, &first);
    assert!(cold.text.contains("1,450"), "{}", cold.text);
    assert_eq!(cold.cached_tokens, 0);
    let warm = ask(&plain, &first);
    assert_eq!(warm.text, cold.text);
    assert_eq!(warm.cached_tokens, warm.prompt_tokens - 1);
    assert_eq!(ask(&guessing, &first).text, cold.text);
    let other = question("What is the deposit?");
    let after = ask(&plain, &other);
    assert!(after.cached_tokens > 100 && after.cached_tokens < after.prompt_tokens);
    assert_eq!(ask(&guessing, &other).text, after.text);
    assert_eq!(ask(&plain, &first).text, cold.text);
}

#[test]
fn a_conversation_goes_on_without_reading_again_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let Some(generator) = load(Some(directory.path()), true, 2) else { return };
    let first = ask(&generator, &question("What is the rent?"));
    let mut next = question("What is the rent?");
    next.messages.push(message(Role::Assistant, &first.text));
    next.messages.push(message(Role::User, "When is it due?"));
    drop(generator);
    let generator = load(Some(directory.path()), true, 2).unwrap();
    let second = ask(&generator, &next);
    assert!(second.cached_tokens >= first.prompt_tokens - 4, "{second:?}");
    let cold = ask(&load(None, false, 2).unwrap(), &next);
    assert_eq!(second.text, cold.text);
    generator.erase().unwrap();
    let files = |path: &Path| walk(path);
    assert_eq!(files(directory.path()), 0);
    assert_eq!(ask(&generator, &next).cached_tokens, 0);
}

fn walk(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

#[test]
fn generation_ends_when_it_should() {
    let Some(generator) = load(None, true, 2) else { return };
    let whole = ask(&generator, &question("Repeat the passage."));
    let stop = "1,450";
    let stopped = ask(&generator, &Prompt { stop: vec![stop.to_owned()], ..question("Repeat the passage.") });
    assert_eq!(stopped.finish, Finish::Stop);
    assert_eq!(stopped.text, whole.text.split(stop).next().unwrap());
    let short = ask(&generator, &Prompt { max_tokens: 3, ..question("Repeat the passage.") });
    assert_eq!((short.finish, short.output_tokens), (Finish::Length, 3));
    let mut pieces = 0;
    let cancelled = generator
        .generate(&question("Repeat the passage."), &mut |piece| {
            pieces += usize::from(!piece.is_empty());
            if pieces == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(cancelled.finish, Finish::Cancelled);
    assert!(whole.text.starts_with(&cancelled.text) && cancelled.output_tokens < whole.output_tokens);
    let long = question(&"word ".repeat(3000));
    let error = generator.generate(&long, &mut |_| ControlFlow::Continue(())).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("does not fit into a context of 2048"), "{source}");
}

#[test]
fn a_schema_is_followed() {
    let Some(generator) = load(None, true, 2) else { return };
    let schema = r#"{"type":"object","properties":{"rent":{"type":"integer"},"currency":{"enum":["EUR","USD"]}},
        "required":["rent","currency"],"additionalProperties":false}"#;
    let asked =
        Prompt { json_schema: Some(schema.to_owned()), ..question("Give rent and currency as JSON.") };
    let answer = ask(&generator, &asked);
    let value: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    assert!(value["rent"].is_i64() && value["currency"].is_string(), "{}", answer.text);
    assert_eq!(answer.finish, Finish::Stop);
    let pattern = r#"{"type":"string","pattern":"^(SELECT (rent|währung) FROM data WHERE place = '(Köln|a-b)'|None)$"}"#;
    let query = ask(&generator, &Prompt { json_schema: Some(pattern.to_owned()), ..asked.clone() });
    let query: String = serde_json::from_str(&query.text).unwrap();
    assert!(query == "None" || query.starts_with("SELECT ") && query.ends_with('\''), "{query}");
    let bad = Prompt { json_schema: Some("{".to_owned()), ..asked };
    assert!(generator.generate(&bad, &mut |_| ControlFlow::Continue(())).is_err());
}

#[test]
fn what_the_passage_says_is_likelier_than_what_it_does_not() {
    let Some(generator) = load(None, true, 2) else { return };
    let asked = question("What is the monthly rent?");
    let replies = ["The monthly rent is 1,450 euros.", "The monthly purple is sideways trombone."];
    let [right, wrong] = replies.map(|reply| generator.score(&asked, &[reply]).unwrap().concat());
    let together = generator.score(&asked, &[replies[1], "", replies[0]]).unwrap();
    assert_eq!(together, [wrong.clone(), Vec::new(), right.clone()]);
    assert!(right.iter().chain(&wrong).all(|&token| token < 0.0));
    let mean = |tokens: &[f32]| tokens.iter().sum::<f32>() / tokens.len() as f32;
    let least = |tokens: &[f32]| tokens.iter().copied().fold(0.0, f32::min);
    assert!(mean(&right) > mean(&wrong) && least(&right) > least(&wrong), "{right:?} {wrong:?}");
}

#[test]
fn of_opinions_only_what_two_begin_with_is_kept_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let Some(generator) = load(Some(directory.path()), true, 2) else { return };
    let files = || {
        let models = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
        models.map(|model| std::fs::read_dir(model).unwrap().count()).sum::<usize>()
    };
    let about = |text: &str| {
        prompt(vec![message(Role::System, SYSTEM), message(Role::User, &format!("{text}\n\nIs rent paid?"))])
    };
    let first = generator.score(&about(PASSAGE), &["Yes"]).unwrap().concat();
    assert_eq!(files(), 0);
    let second = generator.score(&about("Dogs are not allowed."), &["Yes"]).unwrap().concat();
    assert_eq!(files(), 1);
    generator.score(&about("Bicycles are kept in the cellar."), &["Yes"]).unwrap().concat();
    assert_eq!(files(), 1);
    drop(generator);
    let Some(restarted) = load(Some(directory.path()), true, 2) else { return };
    assert_eq!(restarted.score(&about(PASSAGE), &["Yes"]).unwrap().concat(), first);
    assert_eq!(restarted.score(&about("Dogs are not allowed."), &["Yes"]).unwrap().concat(), second);
}
