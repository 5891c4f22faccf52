//! Answers that no few passages hold: what every document of the scope says of one thing, and what whole documents say.
//!
//! A question that is surely of this kind is answered by the tasks that read whole documents, as long as somebody can wait for it.

use std::ops::{ControlFlow, RangeInclusive};

use carrel_corpus::{Answer, Citation, Claim, Embedder, Generator, Passage, Span, Support};

use crate::evidence::header_text;
use crate::language::{of_differences, of_documents};
use crate::notes::CITES_HIDDEN;
use crate::tasks::{
    Comparison, Difference, Exhausted, ExhaustiveConfig, Kind, Source, Summarised, SummaryConfig, Test, Told,
    compare, compared, exhaustive, renumber, summarise, surely_of_all, told,
};
use crate::words::content_stems;
use crate::{AnswerRequest, Error, Event, Holdings, Stats};

/// Documents that are visited, or summarised together, while somebody waits: those that a model has to judge, and those in which
/// words are looked for.
const VISITED: usize = 100;
const LOOKED: usize = 10_000;
const SUMMARISED: usize = 30;
/// Share of the words with which a document is named that its name and its first lines must have.
const NAMED: f32 = 0.6;
/// Documents that may be called so all together, and those that are looked through for one that is.
const NAMED_ALIKE: usize = 3;
const LOOKED_THROUGH: usize = 500;
/// Bytes of a document that may say what it is called.
const OPENING: usize = 400;
/// Differences that are shown of two documents.
const DIFFERENCES: usize = 40;
/// Bytes of a quotation in the list of what was found; the citation has all of it.
const SHOWN: usize = 240;
const JUDGED: &str = "Each document was looked through by itself, and judged by the words of it that are nearest to the question.";

/// The answer that is made from whole documents; `None` where the question asks for none, or for too many.
pub(crate) fn of_whole_documents(
    request: &AnswerRequest,
    generator: &dyn Generator,
    embedder: &dyn Embedder,
    stats: &mut Stats,
    sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Option<Answer>, Error> {
    let mut answer = comparison(request, embedder)?;
    if answer.is_none() {
        answer = match told(request.question) {
            Some(told) => summary(request, &told, generator, embedder, stats, sink)?,
            None => listed(request, generator, embedder, stats, sink)?,
        };
    }
    if let Some(answer) = &mut answer {
        // Its passages are those that it cites.
        if answer.passages.iter().any(|passage| passage.hidden) {
            answer.notes.push(CITES_HIDDEN.to_owned());
        }
        stats.is_of_whole_documents = true;
        let _ = sink(Event::Delta(&answer.text));
        for claim in &answer.claims {
            let _ = sink(Event::Claim(claim));
        }
        for note in &answer.notes {
            let _ = sink(Event::Note(note));
        }
    }
    Ok(answer)
}

fn listed(
    request: &AnswerRequest,
    generator: &dyn Generator,
    embedder: &dyn Embedder,
    stats: &mut Stats,
    sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Option<Answer>, Error> {
    let Some(criterion) = surely_of_all(request.question) else { return Ok(None) };
    let all = request.holdings.documents()?;
    let most = if criterion.test.is_some() { LOOKED } else { VISITED };
    if all.is_empty() || all.len() > most {
        return Ok(None);
    }
    let documents = match Kind::of(&criterion.noun) {
        Some(kind) => of_kind(&kind, &all, request.holdings, generator)?,
        None => all.clone(),
    };
    if documents.is_empty() {
        return Ok(None);
    }
    let mut state = Exhausted::default();
    exhaustive(
        &criterion,
        &documents,
        &ExhaustiveConfig::default(),
        &mut state,
        &mut |document, query| request.holdings.read(document, query),
        (generator, embedder),
        &mut |visited| sink(Event::Visited(visited)),
    )?;
    stats.take(&state.stats);
    let found: Vec<_> = state.answer(&criterion).collect();
    let mut text = of_documents(request.question, found.len(), state.rows.len());
    let mut claims = vec![said(&text, Span::new(0, text.len()), Vec::new())];
    let mut passages: Vec<Passage> = Vec::new();
    for row in &found {
        let name = row.path.rsplit('/').next().unwrap_or(&row.path);
        text.push_str("\n- ");
        let start = text.len();
        text.push_str(name);
        // Of a document that lacks something, no words say so.
        let evidence = row.evidence.iter().filter(|_| !criterion.lacking);
        for citation in evidence.clone() {
            text.push_str(&format!(": {}", shown(&citation.quote)));
            let of_document = request.holdings.read(row.document, None)?;
            passages.extend(of_document.into_iter().find(|passage| passage.chunk == citation.chunk));
        }
        claims.push(said(&text, Span::new(start, text.len()), evidence.cloned().collect()));
    }
    let passages = renumber(&mut claims, &passages);
    let sought = match &criterion.test {
        None => None,
        Some(Test::Names(names)) => Some(format!("the words “{}”", names.join("”, “"))),
        Some(Test::Date) => Some("a date".to_owned()),
        Some(Test::Amount) => Some("an amount of money".to_owned()),
        Some(Test::Percentage) => Some("a percentage".to_owned()),
        Some(Test::Address) => Some("an e-mail address".to_owned()),
        Some(Test::Language(language)) => Some(format!("text in {language:?}")),
    };
    let looked = sought.map(|sought| format!("Each document was looked through for {sought}."));
    let mut notes = vec![looked.unwrap_or_else(|| JUDGED.to_owned())];
    if documents.len() < all.len() {
        let others = all.len() - documents.len();
        notes.push(format!(
            "{others} of {} documents are something else, and were not looked through.",
            all.len()
        ));
    }
    if state.rows.len() < documents.len() {
        notes.push(format!("broken off after {} of {} documents", state.rows.len(), documents.len()));
    }
    let refused = found.is_empty();
    let coverage = request.coverage.clone();
    Ok(Some(Answer { text, claims, passages, refused, nearest: None, notes, coverage }))
}

/// What two documents that the question names say differently.
fn comparison(request: &AnswerRequest, embedder: &dyn Embedder) -> Result<Option<Answer>, Error> {
    for names in compared(request.question) {
        let mut found: Vec<Vec<Source>> = Vec::new();
        for name in &names {
            found.push(named(request, name, 1..=2)?);
        }
        // An amendment is called by the name of what it amends too.
        if let [one, other] = found.as_mut_slice() {
            match (one.len(), other.len()) {
                (2, 1) => one.retain(|source| *source != other[0]),
                (1, 2) => other.retain(|source| *source != one[0]),
                _ => {}
            }
        }
        let documents = found.concat();
        let [first, second] = documents.as_slice() else { continue };
        if first == second {
            continue;
        }
        let read = |source: &Source| request.holdings.read(source.document, None);
        let (ours, theirs) = (read(first)?, read(second)?);
        let found = compare(&ours, &theirs, embedder)?;
        return Ok(Some(differences(request, [first, second], &found, &[ours, theirs].concat())));
    }
    Ok(None)
}

fn differences(
    request: &AnswerRequest,
    sources: [&Source; 2],
    found: &Comparison,
    passages: &[Passage],
) -> Answer {
    let [first, second] = sources.map(name);
    let mut text = of_differences(request.question, found.differences.len(), found.same);
    let mut claims = vec![said(&text, Span::new(0, text.len()), Vec::new())];
    let is_changed = |difference: &&Difference| matches!(difference, Difference::Changed { .. });
    let (changed, alone): (Vec<_>, Vec<_>) = found.differences.iter().partition(is_changed);
    // What both speak of comes first: it is what is looked for in two versions.
    let shown_alone = DIFFERENCES.saturating_sub(changed.len()).min(alone.len());
    for difference in changed.iter().take(DIFFERENCES).chain(&alone[..shown_alone]) {
        let (line, citations) = match difference {
            Difference::Changed { first: a, second: b } => {
                (format!("{first}: “{}” → {second}: “{}”", shown(&a.quote), shown(&b.quote)), vec![a, b])
            }
            Difference::OnlyFirst(a) => (format!("{first}: “{}”", shown(&a.quote)), vec![a]),
            Difference::OnlySecond(b) => (format!("{second}: “{}”", shown(&b.quote)), vec![b]),
        };
        text.push_str("\n- ");
        let start = text.len();
        text.push_str(&line);
        claims.push(said(&text, Span::new(start, text.len()), citations.into_iter().cloned().collect()));
    }
    let mut notes = vec![format!("Compared sentence by sentence: {first}, {second}.")];
    if let more @ 1.. = found.differences.len().saturating_sub(DIFFERENCES) {
        notes.push(format!("{more} more differences are not shown here; `carrel compare` shows all."));
    }
    let passages = renumber(&mut claims, passages);
    let coverage = request.coverage.clone();
    Answer { text, claims, passages, refused: false, nearest: None, notes, coverage }
}

fn name(source: &Source) -> &str {
    source.path.rsplit('/').next().unwrap_or(&source.path)
}

fn said(text: &str, span: Span, citations: Vec<Citation>) -> Claim {
    let support = if citations.is_empty() { Support::NotAClaim } else { Support::Supported };
    Claim { span, text: span.of(text).to_owned(), support, citations }
}

fn shown(quote: &str) -> String {
    let line = quote.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.floor_char_boundary(SHOWN) {
        end if end < line.len() => format!("{}…", &line[..end]),
        _ => line,
    }
}

fn summary(
    request: &AnswerRequest,
    told: &Told,
    generator: &dyn Generator,
    embedder: &dyn Embedder,
    stats: &mut Stats,
    sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Option<Answer>, Error> {
    let documents = match told {
        Told::All => request.holdings.documents()?,
        Told::One(name) => match request.holdings.documents()? {
            only if only.len() == 1 => only,
            _ => named(request, name, 1..=1)?,
        },
        Told::Named(name) => named(request, name, 1..=NAMED_ALIKE)?,
    };
    if documents.is_empty() || documents.len() > SUMMARISED {
        return Ok(None);
    }
    let mut state = Summarised::default();
    let mut answer = summarise(
        &documents,
        request.coverage.clone(),
        &SummaryConfig::default(),
        &mut state,
        &mut |document, query| request.holdings.read(document, query),
        (generator, embedder),
        &mut |visited| sink(Event::Visited(visited)),
    )?;
    stats.take(&state.stats);
    if state.sections.len() == state.total {
        answer.notes.push(format!("Read from beginning to end: {}.", names(&documents)));
    }
    Ok(Some(answer).filter(|answer| !answer.refused))
}

fn names(documents: &[Source]) -> String {
    documents.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The documents that are called so, by their name or in their first lines; none where there are not `wanted` of them.
fn named(request: &AnswerRequest, name: &str, wanted: RangeInclusive<usize>) -> Result<Vec<Source>, Error> {
    let holdings = request.holdings;
    let all = holdings.documents()?;
    let all = if all.len() <= LOOKED_THROUGH { all } else { Vec::new() };
    let (worth, of_all) = best_named(holdings, name, all)?;
    // One that is called so goes before those that speak of it.
    let is_called = worth >= 1.0 + NAMED && wanted.contains(&of_all.len());
    let meant = if is_called { Vec::new() } else { best_named(holdings, name, holdings.meant(name)?)?.1 };
    let found = if wanted.contains(&meant.len()) { meant } else { of_all };
    Ok(if wanted.contains(&found.len()) { found } else { Vec::new() })
}

/// Those of the documents that are of a kind. The folder of one says so too.
fn of_kind(
    kind: &Kind,
    documents: &[Source],
    holdings: &dyn Holdings,
    generator: &dyn Generator,
) -> Result<Vec<Source>, Error> {
    let mut of_kind = Vec::new();
    for source in documents {
        let Some(opening) = holdings.opening(source.document)? else { continue };
        let folder = source.path.rsplit('/').nth(1).unwrap_or_default();
        let ending = source.path.rsplit('.').next().unwrap_or_default();
        let called = format!("{folder} {ending} {}", called(&opening));
        let beginning = &opening.text[..opening.text.floor_char_boundary(OPENING)];
        let holds = match kind.is_of(&called) {
            Some(holds) => holds,
            // Nobody waits for so many to be judged; one too many does less harm than one that is not looked at.
            None if documents.len() > VISITED => true,
            None => kind.begins(beginning, generator)?,
        };
        if holds {
            of_kind.push(source.clone());
        }
    }
    Ok(of_kind)
}

/// What a document is called by its name, its title and its first line.
fn called(opening: &Passage) -> String {
    let first = &opening.text[..opening.text.floor_char_boundary(OPENING)];
    format!("{} {}", header_text(opening), first.lines().next().unwrap_or_default())
}

/// Those that fit a name best, and how well: up to 1 for what they are called and begin with, and as much for what they are called.
fn best_named(
    holdings: &dyn Holdings,
    name: &str,
    documents: Vec<Source>,
) -> Result<(f32, Vec<Source>), Error> {
    let words = content_stems(name);
    let share =
        |text: &str| words.intersection(&content_stems(text)).count() as f32 / words.len().max(1) as f32;
    let mut best = (0.0, Vec::new());
    for source in documents {
        let Some(opening) = holdings.opening(source.document)? else { continue };
        let first = &opening.text[..opening.text.floor_char_boundary(OPENING)];
        let called = called(&opening);
        let named = share(&format!("{called} {first}"));
        if named < NAMED {
            continue;
        }
        // Its name counts once more than what it begins with.
        let worth = named + share(&called);
        if worth > best.0 {
            best = (worth, vec![source]);
        } else if worth == best.0 {
            best.1.push(source);
        }
    }
    Ok(best)
}
