//! Source code and structured text: the decoded file itself, cut where a new top-level item begins.

use carrel_corpus::BlockKind;

use super::text::Lines;
use super::{Reading, Source};

/// A group of lines is closed at the next top-level item once it has this many lines.
const ITEM_LINES: usize = 3;
/// And at the next blank line, or anywhere, once it has these.
const LONG: usize = 40;
const LONGEST: usize = 80;

/// Reads source code in any language: a block is one or more top-level items with the comments in front of them.
///
/// A top-level item begins after a blank line at the margin, which holds for every language that is indented.
pub(super) fn read(source: &Source) -> Reading {
    cut(source, |previous_blank, line| previous_blank && !line.starts_with([' ', '\t', '}', ')', ']', '\r']))
}

/// Reads JSON, YAML, TOML and configuration files: a block ends where the margin is reached again.
pub(super) fn read_data(source: &Source) -> Reading {
    cut(source, |previous_blank, line| {
        let margin = !line.starts_with([' ', '\t', '}', ']', '-']);
        margin && (previous_blank || line.starts_with(['[', '{']) || line.trim_end().ends_with(':'))
    })
}

fn cut(source: &Source, begins_item: impl Fn(bool, &str) -> bool) -> Reading {
    let mut draft = source.verbatim();
    let lines = Lines::of(draft.text());
    let mut first = 0;
    let mut previous_blank = false;
    for line in 0..lines.count() {
        let text = lines.text(draft.text(), line);
        let blank = text.trim().is_empty();
        let size = line - first;
        let item = !blank && size >= ITEM_LINES && begins_item(previous_blank, text);
        if item || (size >= LONG && previous_blank) || size >= LONGEST {
            lines.mark(&mut draft, BlockKind::Code, first, line - 1);
            first = line;
        }
        previous_blank = blank;
    }
    if lines.count() > first {
        let last = lines.count() - 1;
        lines.mark(&mut draft, BlockKind::Code, first, last);
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    #[test]
    fn functions_are_blocks() {
        let file =
            "import os\nimport sys\nimport re\n\ndef a():\n    x = 1\n\n    return x\n\ndef b():\n    pass\n";
        assert_eq!(
            outline(&read("a.py", file.as_bytes())),
            "indexed\nCode @ lines 1-4: import os\\nimport sys\\nimport re\n\
             Code @ lines 5-9: def a():\\n    x = 1\\n\\n    return x\n\
             Code @ lines 10-11: def b():\\n    pass"
        );
    }

    #[test]
    fn tables_of_a_configuration_are_blocks() {
        let file = "a = 1\nb = 2\nc = 3\n[server]\nport = 1\n";
        let document = read("a.toml", file.as_bytes());
        assert_eq!(document.blocks.len(), 2);
        assert_eq!(document.text, file);
    }
}
