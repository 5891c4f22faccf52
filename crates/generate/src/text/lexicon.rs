//! Closed word lists: what carries no meaning of its own, what denies, what opposes, what counts.

/// Whether a lower-case word is grammar rather than content.
pub(crate) fn is_stopword(word: &str) -> bool {
    STOPWORDS.iter().any(|line| line.split_ascii_whitespace().any(|stop| stop == word))
}

/// Whether a lower-case word denies what it stands with.
pub(crate) fn is_negation(word: &str) -> bool {
    word.ends_with("n't") || word.ends_with("n’t") || NEGATIONS.contains(&word) || PRIVATIONS.contains(&word)
}

const STOPWORDS: [&str; 5] = [
    // English
    "a an the this that these those of in on at to from by with for about into over under between as than then \
     so such and or but if while because is are was were be been being am do does did done have has had having \
     it its it's he him his she her hers they them their theirs we us our ours you your yours i me my mine \
     what which who whom whose when where why how there here can could will would shall should may might must \
     also just only very too more most much many some any each every all both other another same own per \
     s t d ll re ve m let's that's what's who's up out off again further once during before after above below \
     through upon within",
    // German
    "der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren sein wird werden \
     wurde hat haben hatte von vom zu zum zur im am auf aus bei mit nach für über unter zwischen als wie was wer \
     wen wem wann wo warum welche welcher welches sich er sie es wir ihr ich du dass wenn auch nur noch an durch",
    // Spanish
    "el la los las un una unos unas y o pero es son era fue fueron ser está están de del al en con por para sobre \
     entre como que qué quién quiénes cuándo cuál cuáles dónde cómo cuánto cuántos cuántas se su sus lo le les \
     más este esta esto ese esa",
    // French
    "le les une et ou mais est sont était étaient être du au aux dans avec pour sur entre comme qui quoi quand \
     quel quelle quels quelles où comment combien se ses leur leurs il elle ils elles nous vous ce cette ces des \
     par qu'est l d c qu",
    // Italian, Portuguese, Dutch: the commonest
    "il lo gli uno di da nel nella con su per che chi è sono o os as um uma do dos das em no na nos nas com não \
     het een van en op te dat die voor met zijn wordt",
];

/// Words that deny a statement.
pub(crate) const NEGATIONS: [&str; 38] = [
    "not", "no", "never", "none", "neither", "nor", "cannot", "nothing", "nobody", "nowhere", "nicht",
    "kein", "keine", "keinen", "keiner", "keinem", "keines", "nie", "niemals", "weder", "nunca", "jamás",
    "ningún", "ninguna", "ninguno", "tampoco", "pas", "jamais", "aucun", "aucune", "non", "não", "nenhum",
    "nenhuma", "nessun", "nessuna", "niet", "geen",
];

/// Words that deny a thing.
pub(crate) const PRIVATIONS: [&str; 9] =
    ["without", "lack", "lacks", "lacked", "unable", "hardly", "ohne", "sin", "sans"];

/// Stems that exclude each other when they are said of the same thing.
pub(crate) const ANTONYMS: [(&str, &str); 46] = [
    ("increas", "decreas"),
    ("increas", "reduc"),
    ("increas", "declin"),
    ("rais", "lower"),
    ("higher", "lower"),
    ("highest", "lowest"),
    ("high", "low"),
    ("more", "less"),
    ("more", "fewer"),
    ("most", "least"),
    ("greater", "smaller"),
    ("greater", "less"),
    ("larger", "smaller"),
    ("largest", "smallest"),
    ("longer", "shorter"),
    ("longest", "shortest"),
    ("first", "last"),
    ("earliest", "latest"),
    ("before", "after"),
    ("promot", "inhibit"),
    ("promot", "prevent"),
    ("activat", "inhibit"),
    ("enhanc", "reduc"),
    ("enhanc", "impair"),
    ("improv", "worsen"),
    ("induc", "inhibit"),
    ("induc", "suppress"),
    ("upregulat", "downregulat"),
    ("positiv", "negativ"),
    ("effectiv", "ineffectiv"),
    ("includ", "exclud"),
    ("allow", "prohibit"),
    ("permit", "prohibit"),
    ("accept", "reject"),
    ("approv", "reject"),
    ("win", "lose"),
    ("won", "lost"),
    ("north", "south"),
    ("northern", "southern"),
    ("east", "west"),
    ("eastern", "western"),
    ("internal", "external"),
    ("minimum", "maximum"),
    ("always", "never"),
    ("begin", "end"),
    ("gain", "lost"),
];

/// Number words with their value; `hundred` and larger multiply.
pub(crate) const NUMBER_WORDS: [(&str, u64); 52] = [
    ("zero", 0),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("hundred", 100),
    ("thousand", 1_000),
    ("million", 1_000_000),
    ("billion", 1_000_000_000),
    ("trillion", 1_000_000_000_000),
    ("first", 1),
    ("second", 2),
    ("third", 3),
    ("fourth", 4),
    ("fifth", 5),
    ("sixth", 6),
    ("seventh", 7),
    ("eighth", 8),
    ("ninth", 9),
    ("tenth", 10),
    ("twice", 2),
    ("dozen", 12),
    ("zwei", 2),
    ("drei", 3),
    ("vier", 4),
    ("fünf", 5),
    ("zehn", 10),
    ("dos", 2),
    ("tres", 3),
];
