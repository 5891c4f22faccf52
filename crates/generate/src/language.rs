//! Which language a question is in, as far as a refusal needs to know.

/// Languages in which Carrel itself can say that the documents do not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
    Spanish,
    French,
    Italian,
    Portuguese,
    Dutch,
    Chinese,
    Japanese,
    Arabic,
    Russian,
}

const WORDS: [(Language, &str); 7] = [
    (
        Language::English,
        "the of is was what who when where which how many does did are in to for and with by from do an there can could may must \
shall should will would has have had be been it its this that these they their on at or not any after under \
a as no so if my your more than about here don doesn didn isn t s",
    ),
    (
        Language::German,
        "der die das ist sind war was wer wann wo wie viele welche welcher welches und ein eine von im hat wurde den dem wird für mit",
    ),
    (
        Language::Spanish,
        "el la los las es son fue qué quién cuándo dónde cómo cuál cuántos cuántas de en y un una del que por para o no se cuando donde como con su",
    ),
    (
        Language::French,
        "le la les est sont qui que quand où comment combien quel quelle quels de des et un une du dans pour est-ce",
    ),
    (
        Language::Italian,
        "il lo la gli è sono che chi quando dove come quanti quale di e un una del della nel per",
    ),
    (
        Language::Portuguese,
        "o a os as é são que quem quando onde como quantos qual de e um uma do da no na por para",
    ),
    (Language::Dutch, "de het een is zijn wat wie wanneer waar hoe veel welke van en in op met voor"),
];

pub(crate) fn language(text: &str) -> Language {
    let count = |from: char, to: char| text.chars().filter(|c| (from..=to).contains(c)).count();
    if count('\u{3040}', '\u{30ff}') > 0 {
        return Language::Japanese;
    }
    for (from, to, language) in [
        ('\u{4e00}', '\u{9fff}', Language::Chinese),
        ('\u{0600}', '\u{06ff}', Language::Arabic),
        ('\u{0400}', '\u{04ff}', Language::Russian),
    ] {
        if count(from, to) * 3 > text.chars().filter(|c| c.is_alphabetic()).count() {
            return language;
        }
    }
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    let mut best = (0, Language::English);
    for (language, list) in WORDS {
        let hits = words.iter().filter(|word| list.split(' ').any(|known| known == **word)).count();
        if hits > best.0 {
            best = (hits, language);
        }
    }
    best.1
}

/// How Carrel says, in the language of the question, that the documents hold no answer.
pub(crate) fn refusal(question: &str) -> &'static str {
    match language(question) {
        Language::English => "The documents do not say.",
        Language::German => "Die Dokumente sagen dazu nichts.",
        Language::Spanish => "Los documentos no lo dicen.",
        Language::French => "Les documents ne le disent pas.",
        Language::Italian => "I documenti non lo dicono.",
        Language::Portuguese => "Os documentos não o dizem.",
        Language::Dutch => "De documenten zeggen hier niets over.",
        Language::Chinese => "文档中没有说明。",
        Language::Japanese => "文書には記載がありません。",
        Language::Arabic => "لا تذكر المستندات ذلك.",
        Language::Russian => "В документах об этом не сказано.",
    }
}

/// How Carrel says, in the language of the question, how many of the documents answer it.
pub(crate) fn of_documents(question: &str, found: usize, all: usize) -> String {
    match language(question) {
        Language::English => format!("{found} of {all} documents:"),
        Language::German => format!("{found} von {all} Dokumenten:"),
        Language::Spanish => format!("{found} de {all} documentos:"),
        Language::French => format!("{found} documents sur {all} :"),
        Language::Italian => format!("{found} documenti su {all}:"),
        Language::Portuguese => format!("{found} de {all} documentos:"),
        Language::Dutch => format!("{found} van {all} documenten:"),
        Language::Chinese | Language::Japanese | Language::Arabic | Language::Russian => {
            format!("{found} / {all}:")
        }
    }
}

/// How Carrel says, in the language of the question, how far two documents differ.
pub(crate) fn of_differences(question: &str, found: usize, same: usize) -> String {
    match language(question) {
        Language::English => format!("{found} differences; {same} sentences are the same:"),
        Language::German => format!("{found} Unterschiede; {same} Sätze sind gleich:"),
        Language::Spanish => format!("{found} diferencias; {same} frases son iguales:"),
        Language::French => format!("{found} différences ; {same} phrases sont identiques :"),
        Language::Italian => format!("{found} differenze; {same} frasi sono uguali:"),
        Language::Portuguese => format!("{found} diferenças; {same} frases são iguais:"),
        Language::Dutch => format!("{found} verschillen; {same} zinnen zijn gelijk:"),
        Language::Chinese | Language::Japanese | Language::Arabic | Language::Russian => {
            format!("≠ {found}; = {same}:")
        }
    }
}

/// Openings and phrases with which a model says that it found no answer.
const ABSENCES: [&str; 40] = [
    "documents do not say",
    "document does not say",
    "passages do not say",
    "passage does not say",
    "do not contain information",
    "does not contain information",
    "do not provide",
    "does not provide",
    "do not mention",
    "does not mention",
    "do not specify",
    "does not specify",
    "not mentioned in",
    "not specified in",
    "not provided in",
    "not stated in",
    "no information",
    "not explicitly state",
    "not explicitly mention",
    "do not answer",
    "does not answer",
    "cannot be determined",
    "not contain the answer",
    "not contain an answer",
    "do not state",
    "does not state",
    "do not include",
    "i don't know",
    "i do not know",
    "is not mentioned",
    "is not specified",
    "is not provided",
    "is not stated",
    "do not indicate",
    "do not directly",
    "sagen dazu nichts",
    "no lo dicen",
    "ne le disent pas",
    "没有说明",
    "没有提到",
];

/// Whether a sentence says that the documents hold no answer.
pub(crate) fn says_absent(sentence: &str) -> bool {
    let lower = sentence.to_lowercase().replace('\u{2019}', "'");
    ABSENCES.iter().any(|phrase| lower.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_question_is_in_the_language_of_its_little_words() {
        for (question, expected) in [
            ("Do statins reduce fever after surgery?", Language::English),
            ("Breast cancer clinics. Do they work?", Language::English),
            ("song dogs don't bark around here no more meaning", Language::English),
            ("Darf der Mieter einen Hund halten?", Language::German),
            ("O inquilino pode ter um cão no apartamento?", Language::Portuguese),
            ("Le locataire peut-il avoir un chien dans la maison ?", Language::French),
        ] {
            assert_eq!(language(question), expected, "{question}");
        }
    }

    #[test]
    fn questions_are_refused_in_their_language() {
        for (question, expected) in [
            ("When is the rent due?", Language::English),
            ("Wann ist die Miete fällig?", Language::German),
            ("¿Cuándo se paga el alquiler de la casa?", Language::Spanish),
            ("Cuando grandes grupos no pagan impuestos o boicotean un sistema", Language::Spanish),
            ("Quando os inquilinos não pagam ou no caso de um atraso", Language::Portuguese),
            ("Quand est dû le loyer de la maison ?", Language::French),
            ("租金什么时候到期？", Language::Chinese),
            ("متى يستحق الإيجار؟", Language::Arabic),
        ] {
            assert_eq!(language(question), expected, "{question}");
        }
    }

    #[test]
    fn absence_is_recognised() {
        assert!(says_absent("The passages do not mention a deposit."));
        assert!(!says_absent("The tenant does not pay a deposit."));
    }
}
