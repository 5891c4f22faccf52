//! Page headers and footers of sheets, as Excel writes them: codes after `&` for what is filled in and how it looks
//! (ECMA-376 part 1, 18.3.1.46).

use carrel_corpus::Locator;

use super::super::Draft;

/// Adds a header or footer: its left, middle and right sections, a paragraph each.
pub(super) fn push(text: &str, locator: &Locator, draft: &mut Draft) {
    let mut sections = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let code = if c == '&' { rest.next() } else { None };
        let Some(section) = sections.last_mut() else { return };
        match (c, code) {
            ('&', Some('&')) => section.push('&'),
            ('&', Some('L' | 'C' | 'R')) => sections.push(String::new()),
            ('&', Some('"')) => while rest.next().is_some_and(|c| c != '"') {},
            ('&', Some('K')) => {
                for _ in 0..6 {
                    let _ = rest.next_if(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-'));
                }
            }
            ('&', Some(digit)) if digit.is_ascii_digit() => {
                while rest.next_if(char::is_ascii_digit).is_some() {}
            }
            // Page number, date and the like; bold, underlined and the like.
            ('&', _) => {}
            (c, _) => section.push(c),
        }
    }
    for section in sections {
        // What is left where a number is filled in: `Page &P of &N`.
        let bare =
            matches!(section.split_whitespace().collect::<Vec<_>>().as_slice(), ["Page"] | ["Page", "of"]);
        if !bare && section.contains(char::is_alphanumeric) && !draft.text().contains(section.trim()) {
            draft.paragraph(locator.clone(), &section);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_taken_out() {
        let mut draft = Draft::new(1000);
        push(
            "&L&\"Arial,Bold\"&14Ada && Bob&C&K01+000Page &P of &N&RFor &Binternal&B use",
            &Locator::Whole,
            &mut draft,
        );
        assert_eq!(draft.text(), "Ada & Bob\n\nFor internal use");
    }
}
