//! Questions for a yes or a no: each sentence near to the question is put to the model by itself.
//!
//! A small model that has a dozen paragraphs of a contract before it and is asked whether there is a cap on liability says
//! "Yes" or "None", and either at random. Of one sentence it can tell whether it says so.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use carrel_corpus::{Claim, Embedder, Generator, Span};
use regex::Regex;

use crate::Error;
use crate::evidence::{Evidence, denied, is_row};
use crate::grounds::{NOTHING, inclination, quotation};
use crate::language::{Language, language};
use crate::nearness::Nearness;
use crate::prompt::YesNo;
use crate::tasks::pattern;
use crate::text::{Token, Wrapping, is_negation, sentences, tokens};
use crate::words::content_stems;

/// Words that open a question for a yes or a no.
const OPENINGS: &str = "is are was were am does do did has have had can could may might must shall should will would isn't aren't \
doesn't don't didn't hasn't haven't can't won't ist sind war waren hat haben hatte kann können darf dürfen muss müssen soll \
sollen wird werden gibt está están son hay tiene tienen puede pueden debe deben fue est-ce est sont peut peuvent doit doivent";

/// Of these, those that ask for something else in German: `Was beinhaltet die Miete?`, `Am wievielten ist sie fällig?`
const GERMAN_QUESTIONS: [&str; 2] = ["was", "am"];

/// Whether a question is answered by a yes or a no.
pub(crate) fn is_polar(question: &str) -> bool {
    let parts = sentences(question.trim(), Wrapping::Lines);
    let Some(first) =
        parts.iter().map(|range| &question.trim()[range.clone()]).find(|part| part.contains(['?', '？']))
    else {
        return false;
    };
    let opening = first.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let opening = opening.split_whitespace().next().unwrap_or("");
    if GERMAN_QUESTIONS.contains(&opening) && language(first) == Language::German {
        return false;
    }
    OPENINGS.split_whitespace().any(|word| word == opening)
        || FORM.is_match(first) && !INTERROGATIVE.is_match(first)
}

/// Of questions that any verb may open: German with what it speaks of behind the verb, Spanish by its mark, French by inversion,
/// and the Chinese words that ask for a yes.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*\w{2,}(?:t|en|te)\s+(?:der|die|das|ein|eine|er|(?-i:sie)|es|man|ich|wir|jede[rs]?|diese[rs]?|alle|keine?|auch|sich)\b|^\W*¿|\w-(?:t-)?(?:il|elle|ils|elles|on)\b|[吗嗎]|是否|能否|可否",
    )
});
/// Words that ask for more than a yes.
static INTERROGATIVE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:what|who\w*|which|when|where|why|how|we[rnm]|wessen|was|wann|wo|wo(?:für|hin|her|rin|mit|von|zu|durch)|wie|wieviel\w*|warum|wieso|welche\w*|qué|quién\w*|cuál\w*|cu[áa]ndo|a?dónde|cómo|cuán\w*|qui|que|quoi|quand|où|comment|pourquoi|combien|quel\w*|lequel|laquelle)\b|什么|什麼|谁|誰|哪|怎|几|多少|何",
    )
});

/// What a text sets out to find, or takes for possible, is not what it found: `The aim was to assess whether dogs bark.`
static INTENTION: LazyLock<Regex> = LazyLock::new(|| {
    const STUDY: &str = "evaluat|assess|determin|investigat|examin|explor|analy[sz]|stud(?:y|ied)|test|compar|consider|ask|\
                         report|describ|review";
    let source = format!(
        r"(?ix)^(?:\w+:\s+)? (?: (?:in\ order\ )?to\ (?:{STUDY})\w*
          | (?:the|our|its)\ (?:\w+\ ){{0,2}}(?:aims?|objectives?|purpose|goals?)\b
          | (?:we|it|this\ \w+)\ (?:aims|aimed|sought|set\ out)\ )
          | \b(?:{STUDY}|question|unclear|unknown|uncertain)\w*\ (?:as\ to\ )?(?:whether|if)\b
          | \bhypothesi[sz]ed?\b | \bit\ (?:has\ been|was|is)\ (?:suggest|propos|assum|believ|thought)"
    );
    pattern(&source)
});

/// Sentences that are put to the model.
const ASKED: usize = 10;
/// Bytes of a sentence that it is shown.
const SHOWN: usize = 500;
/// What a sentence's nearness to the question counts for beside the model's opinion, in nats.
const NEAR: f32 = 0.5;
/// A sentence that both speak for less is no answer. Of 107 questions about clauses of contracts, Qwen2.5-Coder-1.5B answers 50
/// of 77 whose clause is there, 0.62 of them by the right sentence, and 8 of 30 whose clause is not; at 0.9, 54, 0.57 and 12.
const BAR: f32 = 1.1;

/// The sentence nearest to the question of which the model is surest that it says yes, as a claim. `None` where it is sure of
/// none, or where `go_on` breaks.
pub(crate) fn find(
    question: &str,
    evidence: &mut Evidence,
    generator: &dyn Generator,
    embedder: &dyn Embedder,
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Option<Claim>, Error> {
    let parts: Vec<&str> =
        sentences(question, Wrapping::Lines).into_iter().map(|range| &question[range]).collect();
    let nearness = Nearness::to(&parts, embedder)?;
    let citable: Vec<usize> = (0..evidence.sentences.len())
        .filter(|&index| {
            let text = evidence.text(index);
            evidence.sentences[index].citable && !INTENTION.is_match(text) && !only_names(text, evidence)
        })
        .collect();
    if let Some(sentence) = denial(question, evidence, &citable) {
        return Ok(Some(quotation(evidence, sentence)));
    }
    evidence.embed(&citable, embedder)?;
    let mut ranked: Vec<(f32, usize)> =
        citable.into_iter().map(|index| (nearness.in_context(evidence, index), index)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let names = names(question);
    let inclined = inclination(&YesNo::polar(NOTHING, NOTHING), generator)?;
    let mut best: Option<(f32, Claim)> = None;
    // A few words below a heading say yes to anything.
    let says = |index: usize| {
        tokens(evidence.text(index)).len() >= BARE || opposes(&evidence.sentences[index].denied, question)
    };
    for index in ranked.into_iter().map(|(_, index)| index).filter(|&index| says(index)).take(ASKED) {
        if go_on().is_break() {
            return Ok(None);
        }
        let says_yes =
            YesNo::polar(&shown(evidence, index, &names), question).log_odds(generator)? - inclined;
        let sure = says_yes + NEAR * nearness.of(evidence, index);
        if sure >= BAR && best.as_ref().is_none_or(|(most, _)| sure > *most) {
            let claim = quotation(evidence, index);
            // Where it denies what is asked, a yes may be a no: the sentence speaks for itself.
            let opposed = opposes(&evidence.sentences[index].denied, question);
            best = Some((sure, if opposed { claim } else { affirmed(question, claim) }));
        }
    }
    Ok(best.map(|(_, claim)| claim))
}

/// How much of the question must stand around a sentence that says no to it, by weight.
const DENIED: f32 = 0.65;
/// Words of a sentence that says nothing without the heading above it, and may only deny: `None known.` below `Allergies`.
const BARE: usize = 4;
/// Words that leave open who or what is asked about.
const ANY: &str = "any anybody anyone anything someone somebody something ever jemand irgendjemand etwas alguien algo quelqu'un";

/// The sentence that says no by itself: it denies a word of the question, and no other holds as much of the question without
/// denying that. A model that is asked whether it says yes finds none.
fn denial(question: &str, evidence: &Evidence, citable: &[usize]) -> Option<usize> {
    let (own, any) = (denied(question), content_stems(ANY));
    let mut asked = content_stems(question);
    asked.retain(|stem| !any.contains(stem) && !own.contains(stem));
    let names = names(question);
    let held = |index: usize, stem: &str| {
        evidence.sentences[index].stems.contains(stem) || evidence.labelled(index, stem)
    };
    let covers =
        |index: usize| evidence.weights.coverage(asked.iter(), |stem| held(index, stem)).unwrap_or(0.0);
    let reaches = |index: usize| {
        let around = &evidence.surroundings[evidence.sentences[index].passage];
        let window =
            index.saturating_sub(1).max(around.sentences.start)..(index + 2).min(around.sentences.end);
        let near = |stem: &str| {
            window.clone().any(|near| held(near, stem))
                || around.header.contains(stem)
                || names.contains(stem) && around.all.contains(stem)
        };
        evidence.weights.coverage(asked.iter(), near).unwrap_or(0.0)
    };
    let denies = |index: usize| -> BTreeSet<&String> {
        let sentence = &evidence.sentences[index];
        let text = evidence.text(index);
        let words = tokens(text);
        let is_bare = words.len() < BARE
            && words.first().is_some_and(|first| is_negation(&text[first.range.clone()].to_lowercase()));
        asked
            .iter()
            .filter(|stem| sentence.denied.contains(*stem) || is_bare && evidence.labelled(index, stem))
            .collect()
    };
    let most = citable.iter().map(|&index| reaches(index)).fold(DENIED, f32::max);
    let says_otherwise = |denied: &BTreeSet<&String>, than: usize| {
        citable.iter().any(|&index| {
            let affirms = |stem: &&&String| {
                evidence.sentences[index].stems.contains(**stem)
                    && !evidence.sentences[index].denied.contains(**stem)
            };
            index != than && denied.iter().any(|stem| affirms(&stem)) && covers(index) >= covers(than)
        })
    };
    let denying = citable.iter().copied().filter(|&index| {
        let denied = denies(index);
        !denied.is_empty() && reaches(index) >= most && !says_otherwise(&denied, index)
    });
    // Of those alike the first.
    denying.rev().max_by(|&a, &b| covers(a).total_cmp(&covers(b)))
}

/// Words of a question that name something: `Unit 7`.
fn names(question: &str) -> BTreeSet<String> {
    let names = |token: &Token| {
        token.content && (token.capital || question[token.range.clone()].starts_with(char::is_numeric))
    };
    tokens(question).into_iter().filter(names).map(|token| token.stem).collect()
}

/// A sentence as the model is shown it: below its title and headings where those have names that are asked for and it lacks.
fn shown(evidence: &Evidence, index: usize, names: &BTreeSet<String>) -> String {
    let (text, sentence) = (evidence.text(index), &evidence.sentences[index]);
    let text = &text[..text.floor_char_boundary(SHOWN)];
    let header = &evidence.surroundings[sentence.passage].header;
    match names.iter().any(|stem| header.contains(stem) && !sentence.stems.contains(stem)) {
        true => format!("{}\n{text}", evidence.name(sentence.passage)),
        false => text.to_owned(),
    }
}

/// Whether a sentence is a heading, a signature or a table of contents, as the capitals of all its words tell: none says yes. On
/// a page of signatures most words have one, and what stands before a name tells.
fn only_names(text: &str, evidence: &Evidence) -> bool {
    let signed = || ["By:", "/s/", "Name:", "Title:"].iter().any(|mark| text.contains(mark));
    let names = !evidence.capitals_are_common || signed();
    let tells = names && text.contains(char::is_lowercase) && !is_row(text);
    let is_word = |token: &Token| token.content && text[token.range.clone()].starts_with(char::is_alphabetic);
    tells && tokens(text).iter().filter(|token| is_word(token)).all(|token| token.capital)
}

/// `Yes: either party may end it.`
fn affirmed(question: &str, claim: Claim) -> Claim {
    let text = format!("{}: {}", yes(question), claim.text);
    Claim { span: Span::new(0, text.len()), text, ..claim }
}

/// What a model wrote to a question for a yes or a no where no sentence of the documents says yes by itself: without a yes that
/// the rest of it denies, `Yes, the tenant may not sublet`, and nothing where it insists.
pub(crate) fn without_yes(question: &str, sentence: String) -> Option<String> {
    let Some(rest) = sentence.strip_prefix(yes(question)) else { return Some(sentence) };
    if rest.starts_with(char::is_alphanumeric) {
        return Some(sentence);
    }
    let rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mut letters = rest.chars();
    let first = letters.next().filter(|_| opposes(&denied(rest), question))?;
    Some(first.to_uppercase().chain(letters).collect())
}

/// Whether something is denied that the question asks for.
fn opposes(held: &BTreeSet<String>, question: &str) -> bool {
    let (asked, own) = (content_stems(question), denied(question));
    held.iter().any(|stem| asked.contains(stem) && !own.contains(stem))
}

fn yes(question: &str) -> &'static str {
    match language(question) {
        Language::English => "Yes",
        Language::German | Language::Dutch => "Ja",
        Language::Spanish => "Sí",
        Language::French => "Oui",
        Language::Italian => "Sì",
        Language::Portuguese => "Sim",
        Language::Chinese => "是",
        Language::Japanese => "はい",
        Language::Arabic => "نعم",
        Language::Russian => "Да",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{Counting, Script, passage};
    use carrel_corpus::Passage;

    #[test]
    fn questions_for_a_yes_are_told_from_others() {
        for question in [
            "May the tenant keep a dog?",
            "Is there a cap on liability? This includes a maximum amount.",
            "Was the rent paid in March?",
            "Darf der Mieter einen Hund halten?",
            "¿Puede el inquilino tener un perro?",
            "Haftet die Auftragnehmerin für Folgeschäden?",
            "¿Paga el inquilino la luz?",
            "Le locataire paie-t-il le chauffage ?",
            "租户可以养狗吗？",
        ] {
            assert!(is_polar(question), "{question}");
        }
        for question in [
            "Who may keep a dog?",
            "When is the rent due?",
            "List all contracts.",
            "Is 900 the rent",
            "What is the fee for each add-on?",
            "Was beinhaltet jedes Paket im Lager?",
            "Am wievielten wird die Miete fällig?",
            "Seit wann zahlt der Mieter?",
            "Wofür haftet die Auftragnehmerin?",
            "Neben der Miete, was zahlt der Mieter?",
            "Nennen Sie die Miete, die der Mieter zahlt?",
            "¿Cuánto paga el inquilino?",
            "Combien paie-t-il pour le chauffage ?",
            "租金是多少？",
        ] {
            assert!(!is_polar(question), "{question}");
        }
    }

    fn find_in(text: &str, question: &str, yes: bool) -> Option<Claim> {
        let passages = [passage(1, "lease.txt", 0, text)];
        let model = Script::of(&[]).finding(yes);
        let mut go_on = || ControlFlow::Continue(());
        find(question, &mut Evidence::new(&passages), &model, &Counting, &mut go_on).unwrap()
    }

    #[test]
    fn a_no_is_the_sentence_that_denies_what_is_asked() {
        let letter = "Reason\nAcute appendicitis.\n\nThe appendix was inflamed but not perforated. He eats and walks.\n\nAllergies\nNone known.\n\nNobody was hurt when the trolley fell. The trolley was repaired.";
        let said = |question: &str| find_in(letter, question, true).map(|claim| claim.text);
        let perforated = said("Was the appendix perforated?");
        assert_eq!(perforated.as_deref(), Some("The appendix was inflamed but not perforated."));
        assert_eq!(said("Does he have any allergies?").as_deref(), Some("None known."));
        let hurt = said("Was anybody hurt when the trolley fell?");
        assert_eq!(hurt.as_deref(), Some("Nobody was hurt when the trolley fell."));
        let cats = "The tenant may keep one cat in the flat. The tenant may not keep dogs.";
        let claim = find_in(cats, "May the tenant keep a cat?", true).unwrap();
        assert_eq!(claim.text, "Yes: The tenant may keep one cat in the flat.");
        let claim = find_in(cats, "May the tenant keep dogs?", true).unwrap();
        assert_eq!(claim.text, "The tenant may not keep dogs.");
    }

    #[test]
    fn a_yes_is_the_sentence_that_says_it() {
        let text = "The rent is due in March. The tenant may keep one cat in the flat.";
        let claim = find_in(text, "May the tenant keep a cat?", true).unwrap();
        assert_eq!(claim.text, "Yes: The tenant may keep one cat in the flat.");
        assert_eq!(claim.citations[0].quote, "The tenant may keep one cat in the flat.");
        assert!(find_in(text, "May the tenant keep a cat?", false).is_none());
    }

    #[test]
    fn a_sentence_is_shown_below_the_title_that_says_of_what_it_speaks() {
        let text = "The Tenant has paid a deposit of £9,450.";
        let passages = [Passage { title: "Lease of Unit 7".to_owned(), ..passage(1, "lease.pdf", 0, text) }];
        let evidence = Evidence::new(&passages);
        let shown = |question: &str| shown(&evidence, 0, &names(question));
        assert_eq!(shown("Is there a deposit for Unit 7?"), format!("Lease of Unit 7\n{text}"));
        assert_eq!(shown("Is there a deposit under the lease?"), text);
    }

    #[test]
    fn a_yes_that_no_sentence_says_is_dropped() {
        let left = |sentence: &str| without_yes("May the tenant sublet the flat?", sentence.to_owned());
        assert_eq!(
            left("Yes, the tenant may not sublet it.").as_deref(),
            Some("The tenant may not sublet it.")
        );
        for insisting in ["Yes, the tenant may sublet it.", "Yes.", "Yes"] {
            assert_eq!(left(insisting), None, "{insisting}");
        }
        for other in ["No, the tenant may not sublet it.", "Yesterday the tenant sublet it."] {
            assert_eq!(left(other).as_deref(), Some(other));
        }
    }

    #[test]
    fn what_is_to_be_found_out_is_no_yes() {
        for aim in [
            "The aim was to find out if cats sleep at night.",
            "To evaluate how cats sleep at night.",
            "OBJECTIVE: To assess how cats sleep at night.",
            "We tested whether cats sleep at night.",
            "It is unclear whether cats sleep at night.",
            "To report how cats sleep at night.",
            "It has been suggested that cats sleep at night.",
        ] {
            assert!(find_in(aim, "Do cats sleep at night?", true).is_none(), "{aim}");
        }
        for finding in
            ["Whether fed or not, cats sleep at night.", "The auditor may examine how cats sleep at night."]
        {
            assert!(find_in(finding, "Do cats sleep at night?", true).is_some(), "{finding}");
        }
    }

    #[test]
    fn a_heading_says_no_yes() {
        let question = "May the tenant keep a cat?";
        for names in ["7.2 Cat of the Tenant.", "By: Ada Cat, for the Tenant", "1 Tenant and Cat 7, 2 Cat 9"]
        {
            let text = format!("{names}\n\nThe rent is due on the first day of the month.");
            let claim = find_in(&text, question, true).unwrap();
            assert_eq!(claim.text, "Yes: The rent is due on the first day of the month.", "{names}");
        }
        let signed = "By: Cat Fund (Cayman) L.P., By: Cat Management LLC, its General Partner";
        let text = format!("{signed}\n\nIt May Be Kept.");
        assert_eq!(find_in(&text, question, true).unwrap().text, "Yes: It May Be Kept.");
        let text =
            "Keine Katze! Die Miete der Wohnung ist im Monat März fällig, und der Mieter zahlt die Kosten.";
        assert_eq!(find_in(text, "Darf der Mieter eine Katze halten?", true).unwrap().text, "Keine Katze!");
    }

    #[test]
    fn a_denial_speaks_for_itself() {
        let text = "The tenant shall not keep dogs in the flat.";
        assert_eq!(find_in(text, "May the tenant keep dogs?", true).unwrap().text, text);
    }
}
