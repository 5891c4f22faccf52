//! RTF as files have it.

use super::super::tests::{outline, read};

#[test]
fn paragraphs_tables_and_hidden_text_are_read() {
    let file = br"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial;}}{\info{\title Lease}}
{\*\generator x;}\pard Gr\'f6\'dfe \u8364? 900\par {\f1\'cf\'f0}\par \v secret\v0\par
\trowd\pard\intbl A\cell B\cell\row\trowd\pard\intbl 1\cell 2\cell\row\pard End\par}";
    let document = read("a.rtf", file);
    assert_eq!(document.title, "Lease");
    assert_eq!(
        outline(&document),
        "indexed\nParagraph @ paragraph 1: Größe € 900\nParagraph @ paragraph 2: Пр\nHidden @ paragraph 2: secret\n\
         Table @ paragraph 3: A | B\\n1 | 2\nParagraph @ paragraph 4: End"
    );
}

#[test]
fn what_stands_beside_the_text_is_read() {
    let file = br#"{\rtf1\ansi{\header Firm\par}{\footerr Page}\pard Rent{\footnote Net of tax.}{\*\atnauthor Ada}{\*\annotation Why?}
{\shp{\*\shpinst{\sp{\sn lTxid}{\sv 1}}{\shptxt Box {\b text}\par}}{\shprslt{\*\do{\dptxbxtext Box text\par}}}} is due\par
{\header Firm\par}{\pntext 2.\tab}Second{\field{\*\fldinst HYPERLINK "http://a.example/"}{\fldrslt  here}}\par}"#;
    assert_eq!(
        outline(&read("a.rtf", file)),
        "indexed\nParagraph @ page header: Firm\nParagraph @ page footer: Page\nParagraph @ footnote: Net of tax.\n\
         Paragraph @ comment: Ada: Why?\nParagraph @ text box: Box text\n\
         Paragraph @ paragraph 1: Rent is due\nListItem @ paragraph 2: 2. Second here\n\
         Paragraph @ links: http://a.example/"
    );
}

#[test]
fn half_of_a_surrogate_pair_is_marked() {
    let file = br"{\rtf1\ansi\uc0 lone \u-10240  high, \u-9216  low, pair \u-10187 \u-9159 ok}";
    assert_eq!(read("a.rtf", file).text, "lone \u{fffd} high, \u{fffd} low, pair \u{1d439}ok");
}

#[test]
fn an_embedded_file_is_a_member() {
    let mut object = vec![1, 5, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0];
    object.extend_from_slice(b"Package\0\0\0\0\0\0\0\0\0");
    let mut native = vec![2, 0];
    native.extend_from_slice(b"note.txt\0C:\\note.txt\0\0\0\x03\0\x03\0\0\0C:\0\x05\0\0\0hello");
    object.extend_from_slice(&(native.len() as u32).to_le_bytes());
    object.extend_from_slice(&native);
    let hex: String = object.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = format!("{{\\rtf1 See {{\\object\\objemb{{\\*\\objdata {hex}}}{{\\result note}}}}}}");
    let document = read("a.rtf", file.as_bytes());
    assert_eq!(document.text, "See note");
    assert_eq!(document.members[0].0, "note.txt");
    assert_eq!(document.members[0].1.text, "hello");
}

#[test]
fn unbalanced_groups_do_no_harm() {
    let file = format!("{{\\rtf1 {} text", "{".repeat(100_000));
    assert_eq!(read("a.rtf", file.as_bytes()).text, "text");
}

#[test]
fn wrapped_html_is_taken_out() {
    let file = br"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\b \htmlrtf0 Rent{\*\htmltag72 </p>}}";
    assert_eq!(super::wrapped_html(file).as_deref(), Some("<p>Rent</p>"));
}
