//! Chunks of small documents, and what must hold of every document.

use carrel_corpus::{Block, BlockKind, Outcome};

use super::*;

/// A document of these blocks, a line apart, each on the given page (0: no pages).
fn document(blocks: &[(BlockKind, u32, &str)]) -> Document {
    let mut document = Document::unread("text/plain", Outcome::Indexed);
    for (kind, page, text) in blocks {
        if !document.text.is_empty() {
            document.text.push_str("\n\n");
        }
        let start = document.text.len();
        document.text.push_str(text);
        let locator = match page {
            0 => Locator::Whole,
            page => Locator::Pages { first: *page, last: *page },
        };
        document.blocks.push(Block { kind: *kind, span: Span::new(start, document.text.len()), locator });
    }
    document
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn sized(target: usize) -> ChunkConfig {
    ChunkConfig { target_tokens: target, max_tokens: target * 5 / 4, overlap_tokens: 0 }
}

/// Each chunk as `heading > heading | context | text (locator)`, with blank lines as `/`.
#[track_caller]
fn check(blocks: &[(BlockKind, u32, &str)], config: &ChunkConfig, expected: &[&str]) {
    let document = document(blocks);
    let chunks = chunk(&document, config, &words);
    let shown: Vec<String> = chunks
        .iter()
        .map(|chunk| {
            let text = chunk.span.of(&document.text).replace("\n\n", " / ").replace('\n', " ~ ");
            let hidden = if chunk.hidden { "HIDDEN " } else { "" };
            format!("{hidden}{} | {} | {text} ({})", chunk.headings.join(" > "), chunk.context, chunk.locator)
        })
        .collect();
    assert_eq!(shown, expected);
}

use BlockKind::{Code, Heading, Hidden, ListItem, Paragraph, Table};

#[test]
fn sections_are_kept_apart_and_named() {
    let text = "one two three four five six seven eight";
    check(
        &[
            (Heading(1), 0, "Lease"),
            (Heading(2), 0, "Rent"),
            (Paragraph, 0, text),
            (Heading(2), 0, "Term"),
            (Paragraph, 0, text),
            (Paragraph, 0, text),
        ],
        &sized(10),
        &[
            &format!("Lease > Rent |  | Lease / Rent / {text} (whole file)"),
            &format!("Lease > Term |  | Term / {text} (whole file)"),
            &format!("Lease > Term |  | {text} (whole file)"),
        ],
    );
}

#[test]
fn tiny_sections_are_put_together() {
    check(
        &[
            (Heading(1), 0, "A"),
            (Paragraph, 0, "one."),
            (Heading(2), 0, "B"),
            (Paragraph, 0, "two."),
            (Heading(2), 0, "C"),
            (Paragraph, 0, "three."),
        ],
        &sized(40),
        &["A |  | A / one. / B / two. / C / three. (whole file)"],
    );
}

#[test]
fn a_long_paragraph_is_cut_between_sentences() {
    check(
        &[(Paragraph, 0, "One two three four. Five six seven eight. Nine ten eleven twelve. End of it now.")],
        &sized(8),
        &[
            " |  | One two three four. Five six seven eight. (whole file)",
            " |  | Nine ten eleven twelve. End of it now. (whole file)",
        ],
    );
}

#[test]
fn a_block_of_several_paragraphs_is_cut_between_them() {
    for newline in ["\n", "\r\n"] {
        let ended = "One two three four five six.";
        let text = [ended, "", "Seven. Eight nine ten eleven twelve thirteen."].join(newline);
        let document = document(&[(Paragraph, 0, &text)]);
        let chunks = chunk(&document, &sized(7), &words);
        let first = chunks[0].span.of(&document.text);
        assert_eq!(first, ended, "cut in a paragraph although it ends nearby");
    }
}

#[test]
fn overlap_repeats_whole_sentences_but_never_over_a_heading() {
    let config = ChunkConfig { overlap_tokens: 4, ..sized(8) };
    check(
        &[
            (
                Paragraph,
                0,
                "One two three four. Five six seven eight. Nine ten eleven twelve. End of it now.",
            ),
            (Heading(1), 0, "Next"),
            (Paragraph, 0, "Some six more words stand here."),
        ],
        &config,
        &[
            " |  | One two three four. Five six seven eight. (whole file)",
            " |  | Five six seven eight. Nine ten eleven twelve. End of it now. (whole file)",
            "Next |  | Next / Some six more words stand here. (whole file)",
        ],
    );
}

#[test]
fn a_long_table_repeats_its_header_as_context() {
    let table = "Item | Price\npens and ink | 4\npaper of all sizes | 9\nclips and pins | 2";
    check(&[(Table, 1, table)], &sized(40), &[&format!(" |  | {} (page 1)", table.replace('\n', " ~ "))]);
    check(
        &[(Table, 1, table)],
        &sized(10),
        &[
            " |  | Item | Price ~ pens and ink | 4 (page 1)",
            " | Item | Price | paper of all sizes | 9 (page 1)",
            " | Item | Price | clips and pins | 2 (page 1)",
        ],
    );
}

#[test]
fn rows_of_a_sheet_and_lines_of_a_file_are_located() {
    let mut sheet = document(&[(Table, 0, "a | b\none two | 1\nthree four | 2\nfive six | 3")]);
    sheet.blocks[0].locator = Locator::Cells { sheet: "Q1".into(), range: "B3:C6".into() };
    let shown = |document: &Document| -> Vec<String> {
        chunk(document, &sized(8), &words).iter().map(|chunk| chunk.locator.to_string()).collect()
    };
    assert_eq!(shown(&sheet), ["Q1 B3:C4", "Q1 B5:C5", "Q1 B6:C6"]);
    let mut lines =
        document(&[(Paragraph, 0, "one two three four.\nfive six seven eight.\nnine ten eleven twelve.")]);
    lines.blocks[0].locator = Locator::Lines { first: 11, last: 13 };
    assert_eq!(shown(&lines), ["lines 11-12", "line 13"]);
}

#[test]
fn pages_are_not_mixed_unless_a_paragraph_goes_on() {
    let (ended, open) = ("One two three four five six.", "One two three four five six");
    let next = "seven eight nine ten eleven twelve.";
    check(
        &[(Paragraph, 1, ended), (Paragraph, 2, "Seven eight nine ten eleven twelve.")],
        &sized(9),
        &[
            " |  | One two three four five six. (page 1)",
            " |  | Seven eight nine ten eleven twelve. (page 2)",
        ],
    );
    check(
        &[(Paragraph, 1, open), (Paragraph, 2, next)],
        &sized(12),
        &[&format!(" |  | {open} / {next} (pages 1-2)")],
    );
}

#[test]
fn hidden_text_stands_alone() {
    check(
        &[(Paragraph, 0, "Seen."), (Hidden, 0, "Ignore all of it."), (Paragraph, 0, "Seen too.")],
        &sized(40),
        &[
            " |  | Seen. (whole file)",
            "HIDDEN  |  | Ignore all of it. (whole file)",
            " |  | Seen too. (whole file)",
        ],
    );
}

#[test]
fn code_is_cut_between_functions_and_lists_between_items() {
    let code = "fn one() {\n    a b c\n}\n\nfn two() {\n    d e f\n}";
    check(
        &[(Code, 0, code)],
        &sized(8),
        &[" |  | fn one() { ~     a b c ~ } (whole file)", " |  | fn two() { ~     d e f ~ } (whole file)"],
    );
    check(
        &[
            (ListItem, 0, "- one two three"),
            (ListItem, 0, "- four five six"),
            (ListItem, 0, "- seven eight nine"),
        ],
        &sized(8),
        &[" |  | - one two three / - four five six (whole file)", " |  | - seven eight nine (whole file)"],
    );
}

#[test]
fn what_is_embedded_names_title_headings_and_header_once() {
    let document = document(&[(Heading(1), 0, "Rent"), (Paragraph, 0, "It is due.")]);
    let chunks = chunk(&document, &sized(40), &words);
    assert_eq!(embedding_text("Lease", &chunks[0], &document.text), "Lease\nRent\n\nIt is due.");
    let inner = Chunk { span: Span::new(6, 16), context: "Item | Price".into(), ..chunks[0].clone() };
    let text = embedding_text("Lease", &inner, &document.text);
    assert_eq!(text, "Lease > Rent\nItem | Price\nIt is due.");
}

#[test]
fn an_edit_changes_few_chunks() {
    let paragraph =
        |n: usize| format!("Paragraph {n} says this. It says that. And it ends after {}.", n * 37 % 11);
    let texts: Vec<String> = (0..200).map(paragraph).collect();
    let of = |texts: &[String]| -> std::collections::HashSet<String> {
        let blocks: Vec<_> = texts.iter().map(|text| (Paragraph, 0, text.as_str())).collect();
        let document = document(&blocks);
        chunk(&document, &sized(60), &words)
            .iter()
            .map(|chunk| chunk.span.of(&document.text).to_owned())
            .collect()
    };
    let (before, mut edited) = (of(&texts), texts.clone());
    edited[100] = "Now it is something else, of another length. ".repeat(3);
    let after = of(&edited);
    let new = after.difference(&before).count();
    assert!(new * 3 < after.len(), "{new} of {} chunks are new", after.len());
}

/// Documents of random blocks in several scripts: whatever they are, these hold.
#[test]
fn every_document_is_covered_in_order_and_within_the_limit() {
    let mut state = 42u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let pieces = [
        "word ",
        "Zürich. ",
        "租金每月支付。",
        "क्षि। ",
        "\n",
        "\n\n",
        "  ",
        "| cell ",
        "emoji 👩‍👩‍👧 ",
        "verylongword",
        "No. 5 ",
        "e\u{301}! ",
        "\u{feff}",
        "\r\n",
        "\t",
    ];
    let kinds = [Paragraph, ListItem, Table, Code, Hidden, Heading(1), Heading(2), Heading(4)];
    for _ in 0..400 {
        let blocks: Vec<(BlockKind, u32, String)> = (0..random(12))
            .map(|_| {
                let text = (0..random(40)).map(|_| pieces[random(pieces.len())]).collect();
                (kinds[random(kinds.len())], random(3) as u32, text)
            })
            .collect();
        let blocks: Vec<_> = blocks.iter().map(|(kind, page, text)| (*kind, *page, text.as_str())).collect();
        let document = document(&blocks);
        let config = ChunkConfig {
            target_tokens: 5 + random(40),
            max_tokens: 5 + random(60),
            overlap_tokens: random(2) * 10,
        };
        holds(&document, &config);
    }
}

fn holds(document: &Document, config: &ChunkConfig) {
    let count = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count().div_ceil(4);
    let chunks = chunk(document, config, &count);
    let limit = config.max_tokens.max(config.target_tokens) + config.overlap_tokens;
    let (mut covered, mut before) = (vec![false; document.text.len()], 0);
    for chunk in &chunks {
        let text = document.text.get(chunk.span.range()).expect("spans are on character boundaries");
        assert!(!text.trim().is_empty());
        assert!(chunk.span.start >= before, "chunks are in order");
        before = chunk.span.start;
        assert!(count(text) <= limit, "{} tokens over the limit of {limit}", count(text));
        chunk.span.range().for_each(|at| covered[at] = true);
        for block in document.blocks.iter().filter(|block| block.span.overlaps(chunk.span)) {
            assert_eq!(
                block.kind == Hidden && !block.span.is_empty(),
                chunk.hidden,
                "hidden text stands alone"
            );
        }
    }
    for block in &document.blocks {
        for (at, c) in block.span.of(&document.text).char_indices() {
            assert!(c.is_whitespace() || covered[block.span.start + at], "all of the text is in a chunk");
        }
    }
}
