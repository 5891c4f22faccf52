//! Field codes of Word, which docx, doc and RTF share: where a field leads or what it takes in.

/// The address in the code of a field that leads to or includes another file (`HYPERLINK "http://…"`).
pub(super) fn address(code: &str) -> Option<&str> {
    let code = code.trim();
    let (command, rest) = code.split_once(char::is_whitespace)?;
    let leads = ["HYPERLINK", "INCLUDEPICTURE", "INCLUDETEXT", "IMPORT", "LINK", "DDE", "DDEAUTO"]
        .iter()
        .any(|known| command.eq_ignore_ascii_case(known));
    if !leads {
        return None;
    }
    match rest.split_once('"') {
        // A bookmark of the document itself.
        Some((before, _)) if before.trim_end().ends_with("\\l") => None,
        Some((_, quoted)) => quoted.split('"').next(),
        None => rest.split_whitespace().find(|word| word.contains("://")),
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_field_names_its_address() {
        assert_eq!(address(" HYPERLINK \"http://a.example/\" \\t \"_blank\" "), Some("http://a.example/"));
        assert_eq!(
            address("LINK Word.Document \"http://a.example/b.docx\" a"),
            Some("http://a.example/b.docx")
        );
        assert_eq!(address("IMPORT http://a.example/c"), Some("http://a.example/c"));
        assert_eq!(address("HYPERLINK \\l \"_Toc1\""), None);
        assert_eq!(address("PAGEREF \"x\""), None);
    }
}
