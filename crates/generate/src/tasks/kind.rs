//! What kind of document one is: by what it is called, and where that does not say, by how it begins.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use carrel_corpus::Generator;

use crate::Error;
use crate::prompt::YesNo;
use crate::words::content_stems;

/// Kinds by what documents of them are called.
const KINDS: [&str; 13] = [
    "contract agreement lease nda deed licence license amendment engagement tenancy covenant vertrag mietvertrag vereinbarung contrat contrato",
    "letter brief schreiben lettre carta",
    "email mail message eml msg mbox",
    "invoice bill rechnung facture factura",
    "report bericht rapport informe",
    "minutes protokoll acta meeting sitzung",
    "policy handbook guideline rules richtlinie dienstanweisung",
    "offer quotation quote angebot offre oferta",
    "order bestellung commande pedido",
    "receipt quittung reçu recibo",
    "permit genehmigung permiso permis",
    "study paper article abstract case",
    "manual runbook log list price certificate transcript statement brochure newsletter readme csv py",
];
static STEMS: LazyLock<Vec<BTreeSet<String>>> = LazyLock::new(|| KINDS.map(content_stems).into());
/// What any document may be asked for with.
static ANY: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    content_stems("document file note record form filing dokument datei archivo documento fichier")
});

/// The kind of documents that a question asks for by a noun.
pub(crate) struct Kind<'n> {
    noun: &'n str,
    /// Where it is among those that are known by what they are called.
    known: Vec<usize>,
}

impl Kind<'_> {
    /// `None` where any document may be meant.
    pub fn of(noun: &str) -> Option<Kind<'_>> {
        let stems = content_stems(noun);
        let known = kinds(&stems);
        (!known.is_empty() && stems.is_disjoint(&ANY)).then_some(Kind { noun, known })
    }

    /// Whether a document is of this kind that is called so; `None` where that does not say of which it is.
    pub fn is_of(&self, called: &str) -> Option<bool> {
        let own = kinds(&content_stems(called));
        (!own.is_empty()).then(|| own.iter().any(|kind| self.known.contains(kind)))
    }

    /// Whether a document is likelier of this kind than not that begins so.
    ///
    /// # Errors
    /// Fails when the generator does.
    pub fn begins(&self, beginning: &str, generator: &dyn Generator) -> Result<bool, Error> {
        let asked = format!("Is this the beginning of one of several {}?", self.noun);
        Ok(YesNo::about(beginning, &asked).log_odds(generator)? > 0.0)
    }
}

fn kinds(stems: &BTreeSet<String>) -> Vec<usize> {
    // `Kaufvertrag` ends with what it is.
    let is_compound = |known: &String| {
        known.len() >= 6
            && stems.iter().any(|stem| stem.len() > known.len() && stem.ends_with(known.as_str()))
    };
    let is = |kind: &BTreeSet<String>| !kind.is_disjoint(stems) || kind.iter().any(is_compound);
    (0..STEMS.len()).filter(|&at| is(&STEMS[at])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_of_the_kind_that_it_is_called_after() {
        let is_of = |noun: &str, called: &str| Kind::of(noun).expect("a kind").is_of(called);
        for (noun, called) in [
            ("contracts", "Consulting agreement with Orrin"),
            ("leases", "Lease of Unit 7"),
            ("contracts", "Kaufvertrag"),
            ("policies", "Information security policy"),
            ("letters", "letters 2024-01-19 harbour authority"),
        ] {
            assert_eq!(is_of(noun, called), Some(true), "{noun}: {called}");
        }
        for (noun, called) in [
            ("contracts", "Board minutes, 20 February 2024"),
            ("letters", "Staff handbook"),
            ("invoices", "Annual report 2023"),
        ] {
            assert_eq!(is_of(noun, called), Some(false), "{noun}: {called}");
        }
        assert_eq!(is_of("contracts", "scan 0012"), None);
        assert!(Kind::of("documents").is_none());
    }
}
