//! Where in a file a piece of text stands, in terms that a person can check.

use std::fmt;

/// A place in a file that a person can turn to. Numbers are 1-based and ranges inclusive.
///
/// Unlike a [`Span`](crate::Span), which is an offset into extracted text, a locator speaks of the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Locator {
    /// The whole of a file that has no finer division.
    Whole,
    /// Pages of a paginated file.
    Pages { first: u32, last: u32 },
    /// Slides of a presentation.
    Slides { first: u32, last: u32 },
    /// A cell range such as `B2:F9` in a named sheet.
    Cells { sheet: String, range: String },
    /// Lines of a text file.
    Lines { first: u32, last: u32 },
    /// A named part: a message body, a chapter, a notebook cell.
    Part { name: String },
}

impl Locator {
    /// The smallest locator that covers both, when they are of one kind; otherwise `self`.
    pub fn cover(&self, other: &Locator) -> Locator {
        use Locator::{Lines, Pages, Slides};
        match (self, other) {
            (Pages { first: a, last: b }, Pages { first: c, last: d }) => {
                Pages { first: *a.min(c), last: *b.max(d) }
            }
            (Slides { first: a, last: b }, Slides { first: c, last: d }) => {
                Slides { first: *a.min(c), last: *b.max(d) }
            }
            (Lines { first: a, last: b }, Lines { first: c, last: d }) => {
                Lines { first: *a.min(c), last: *b.max(d) }
            }
            (Locator::Cells { sheet: a, range: from }, Locator::Cells { sheet: b, range: to }) if a == b => {
                let start = from.split(':').next().unwrap_or(from);
                let end = to.rsplit(':').next().unwrap_or(to);
                Locator::Cells { sheet: a.clone(), range: format!("{start}:{end}") }
            }
            _ => self.clone(),
        }
    }

    /// The first page or slide, for a viewer that opens at one.
    pub fn first_page(&self) -> Option<u32> {
        match self {
            Locator::Pages { first, .. } | Locator::Slides { first, .. } => Some(*first),
            _ => None,
        }
    }

    /// The form in which a locator is stored and sent: `page:3`, `pages:3-4`, `lines:10-12`,
    /// `cells:Sheet1!A1:C9`, `part:body`, `whole`. [`Locator::decode`] reads it back.
    pub fn encode(&self) -> String {
        match self {
            Locator::Whole => "whole".to_owned(),
            Locator::Pages { first, last } => format!("pages:{first}-{last}"),
            Locator::Slides { first, last } => format!("slides:{first}-{last}"),
            Locator::Lines { first, last } => format!("lines:{first}-{last}"),
            Locator::Cells { sheet, range } => format!("cells:{sheet}!{range}"),
            Locator::Part { name } => format!("part:{name}"),
        }
    }

    /// Reads what [`Locator::encode`] wrote; `None` for anything else.
    pub fn decode(encoded: &str) -> Option<Locator> {
        if encoded == "whole" {
            return Some(Locator::Whole);
        }
        let (kind, rest) = encoded.split_once(':')?;
        let range = || {
            let (first, last) = rest.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        match kind {
            "pages" => range().map(|(first, last)| Locator::Pages { first, last }),
            "slides" => range().map(|(first, last)| Locator::Slides { first, last }),
            "lines" => range().map(|(first, last)| Locator::Lines { first, last }),
            "cells" => {
                let (sheet, range) = rest.rsplit_once('!')?;
                Some(Locator::Cells { sheet: sheet.to_owned(), range: range.to_owned() })
            }
            "part" => Some(Locator::Part { name: rest.to_owned() }),
            _ => None,
        }
    }
}

/// As a person reads it: `page 3`, `pages 3-4`, `Sheet1 A1:C9`, `lines 10-12`.
impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut range = |one: &str, first: &u32, last: &u32| match first == last {
            true => write!(f, "{one} {first}"),
            false => write!(f, "{one}s {first}-{last}"),
        };
        match self {
            Locator::Whole => f.write_str("whole file"),
            Locator::Pages { first, last } => range("page", first, last),
            Locator::Slides { first, last } => range("slide", first, last),
            Locator::Lines { first, last } => range("line", first, last),
            Locator::Cells { sheet, range } => write!(f, "{sheet} {range}"),
            Locator::Part { name } => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_round_trips() {
        for locator in [
            Locator::Whole,
            Locator::Pages { first: 3, last: 4 },
            Locator::Slides { first: 1, last: 1 },
            Locator::Lines { first: 10, last: 12 },
            Locator::Cells { sheet: "Q1! totals".into(), range: "A1:C9".into() },
            Locator::Part { name: "message 2: body".into() },
        ] {
            assert_eq!(Locator::decode(&locator.encode()), Some(locator));
        }
        assert_eq!(Locator::decode("pages:x"), None);
    }

    #[test]
    fn covering_joins_ranges() {
        let pages = |first, last| Locator::Pages { first, last };
        assert_eq!(pages(3, 3).cover(&pages(4, 5)), pages(3, 5));
        assert_eq!(pages(3, 4).to_string(), "pages 3-4");
        let cells = |range: &str| Locator::Cells { sheet: "S".into(), range: range.into() };
        assert_eq!(cells("A1:C1").cover(&cells("A9:C9")), cells("A1:C9"));
    }
}
