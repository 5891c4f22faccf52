//! Markdown (CommonMark with tables and front matter), block structure only.

use carrel_corpus::BlockKind;

use super::super::draft::one_line;
use super::super::text::Lines;
use super::super::{Draft, Reading, Source};
use super::{Marker, heading_level, is_item, plain_line};

/// Reads Markdown: the text is the file itself, blocks follow its structure.
pub(in super::super) fn read(source: &Source) -> Reading {
    let mut draft = source.verbatim();
    let text = draft.text().to_owned();
    let lines = Lines::of(&text);
    let mut marker = Marker::new(&lines);
    let mut line = front_matter(&text, &lines, &mut draft);
    while line < lines.count() {
        line = step(&text, &mut marker, &mut draft, line);
    }
    marker.close(&mut draft);
    Ok(draft)
}

/// Takes the block or line that begins at `line`; returns the next line.
fn step(text: &str, marker: &mut Marker, draft: &mut Draft, line: usize) -> usize {
    let lines = marker.lines;
    let current = lines.text(text, line);
    if let Some(fence) = fence(current) {
        let end = (line + 1..lines.count()).find(|&next| closes(lines.text(text, next), fence));
        let last = end.unwrap_or(lines.count() - 1);
        marker.single(draft, BlockKind::Code, line, last);
        return last + 1;
    }
    if let Some((level, title)) = atx_heading(current) {
        heading(draft, title, level);
        marker.single(draft, BlockKind::Heading(level), line, line);
        return line + 1;
    }
    let below = if line + 1 < lines.count() { lines.text(text, line + 1) } else { "" };
    if marker.kind().is_none()
        && let Some(level) = setext_level(below).filter(|_| !current.trim().is_empty() && !is_item(current))
    {
        heading(draft, current, level);
        marker.single(draft, BlockKind::Heading(level), line, line);
        return line + 2;
    }
    if current.contains('|') && is_delimiter_row(below) {
        let last = (line + 2..lines.count()).take_while(|&next| lines.text(text, next).contains('|')).last();
        let last = last.unwrap_or(line + 1);
        marker.single(draft, BlockKind::Table, line, last);
        return last + 1;
    }
    if is_framed(current) && is_framed(below) {
        let last = (line + 2..lines.count()).take_while(|&next| is_framed(lines.text(text, next))).last();
        let last = last.unwrap_or(line + 1);
        marker.single(draft, BlockKind::Table, line, last);
        return last + 1;
    }
    plain_line(marker, draft, current, line, current.starts_with("    ") || current.starts_with('\t'));
    line + 1
}

fn heading(draft: &mut Draft, title: &str, level: u8) {
    if level == 1 {
        draft.title.get_or_insert_with(|| one_line(title));
    }
}

/// Skips YAML front matter, which may hold the title; returns the line after it.
fn front_matter(text: &str, lines: &Lines, draft: &mut Draft) -> usize {
    if lines.text(text, 0).trim_end() != "---" {
        return 0;
    }
    let Some(end) = (1..lines.count().min(200)).find(|&line| lines.text(text, line).trim_end() == "---")
    else {
        return 0;
    };
    for line in 1..end {
        if let Some(title) = lines.text(text, line).strip_prefix("title:") {
            draft.title = Some(one_line(title.trim().trim_matches(['"', '\''])));
        }
    }
    lines.mark(draft, BlockKind::Code, 0, end);
    end + 1
}

fn fence(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let first = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.chars().take_while(|&c| c == first).count();
    (length >= 3).then_some(&line[..length])
}

fn closes(line: &str, fence: &str) -> bool {
    let line = line.trim();
    line.starts_with(fence) && line.chars().all(|c| fence.starts_with(c))
}

/// `## Title ##`
fn atx_heading(line: &str) -> Option<(u8, &str)> {
    let line = line.trim_start();
    let level = line.bytes().take_while(|&byte| byte == b'#').count();
    let rest = &line[level..];
    let heading = (1..=6).contains(&level) && (rest.is_empty() || rest.starts_with([' ', '\t']));
    heading.then(|| (heading_level(level), rest.trim().trim_end_matches('#').trim_end()))
}

/// A line of `=` or `-` below a line makes that line a heading.
fn setext_level(line: &str) -> Option<u8> {
    let line = line.trim_end();
    let of = |character: char| line.len() >= 2 && line.chars().all(|c| c == character);
    if of('=') {
        return Some(1);
    }
    of('-').then_some(2)
}

/// `| --- | :-: |`
fn is_delimiter_row(line: &str) -> bool {
    line.contains('-')
        && line.contains('|')
        && line.trim().chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

/// `| Alda | 4,200 |`: such lines are a table without a delimiter row, too.
fn is_framed(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('|') && line.ends_with('|') && line.matches('|').count() > 2
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{outline, read};

    #[test]
    fn structure_is_found_and_the_text_is_kept() {
        let file = "# Lease\n\nRent is due\nmonthly.\n\n- a\n- b\n  more\n\n```\n# no heading\n```\n\
                    \n| A | B |\n|---|---|\n| 1 | 2 |\n\nEnd\n---\n";
        let document = read("a.md", file.as_bytes());
        assert_eq!(document.title, "Lease");
        assert_eq!(document.text, file);
        assert_eq!(
            outline(&document),
            "indexed\nHeading(1) @ line 1: # Lease\nParagraph @ lines 3-4: Rent is due\\nmonthly.\n\
             ListItem @ line 6: - a\nListItem @ lines 7-8: - b\\n  more\n\
             Code @ lines 10-12: ```\\n# no heading\\n```\n\
             Table @ lines 14-16: | A | B |\\n|---|---|\\n| 1 | 2 |\nHeading(2) @ line 18: End"
        );
    }

    #[test]
    fn rows_without_a_delimiter_row_are_a_table() {
        let file = "Rents:\n| Unit | Rent? |\n| 7 | 3,150 |\n| 8 | ? |\n\nA | B\nC | D\n\n|x|\n|y|\n";
        assert_eq!(
            outline(&read("a.md", file.as_bytes())),
            "indexed\nParagraph @ line 1: Rents:\nTable @ lines 2-4: | Unit | Rent? |\\n| 7 | 3,150 |\\n| 8 | ? |\n\
             Paragraph @ lines 6-7: A | B\\nC | D\nParagraph @ lines 9-10: |x|\\n|y|"
        );
    }
}
