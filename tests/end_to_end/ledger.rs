//! Every file ends with an outcome, whatever is wrong with it.

use std::os::unix::fs::PermissionsExt;

use crate::desk::Desk;

/// The smallest PDF that says it is encrypted.
const ENCRYPTED_PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n4 0 obj<</Filter/Standard/V 1/R 2/P -4/Length 40\
/O<7b2f1d0c9e8a4653b1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899>/U<00112233445566778899aabbccddeeff\
00112233445566778899aabbccddeeff>>>endobj\nxref\n0 5\n0000000000 65535 f \n0000000009 00000 n \n\
0000000053 00000 n \n0000000102 00000 n \n0000000163 00000 n \ntrailer<</Size 5/Root 1 0 R/Encrypt 4 0 R\
/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]>>\nstartxref\n389\n%%EOF\n";

#[test]
fn every_file_has_an_outcome_and_the_rest_is_read() {
    let Some(desk) = Desk::with_files(&[
        ("good.txt", "The warehouse closes at six in the evening."),
        ("empty.txt", ""),
        ("blank.md", "\n \n\t\n"),
        ("nonsense.pdf", "%PDF-1.7\nthis is not a PDF at all"),
        ("really-text.pdf", "The gate code is changed every Monday morning."),
        (".carrelignore", "secret/\n"),
        ("secret/diary.txt", "Nobody reads this."),
    ]) else {
        return;
    };
    desk.write("encrypted.pdf", ENCRYPTED_PDF);
    desk.write(
        "noise.bin",
        (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>(),
    );
    huge(&desk);
    let unreadable = desk.write("unreadable.txt", "Nobody may read this.");
    std::fs::set_permissions(&unreadable, PermissionsExt::from_mode(0o000)).unwrap();
    std::os::unix::fs::symlink("nowhere", desk.folder().join("dangling.txt")).unwrap();

    desk.add();
    let ledger = desk.ledger(&desk.data());
    let outcome = |name: &str| {
        ledger
            .iter()
            .find(|(path, ..)| path == name)
            .map(|(_, outcome, ..)| outcome.as_str())
            .unwrap_or("absent")
    };
    assert_eq!(outcome("good.txt"), "indexed");
    assert_eq!(outcome("empty.txt"), "empty");
    assert_eq!(outcome("blank.md"), "empty");
    assert_eq!(outcome("encrypted.pdf"), "encrypted");
    assert_eq!(outcome("huge.txt"), "too large");
    assert_eq!(outcome("noise.bin"), "unsupported");
    assert!(matches!(outcome("nonsense.pdf"), "failed" | "empty"), "{ledger:?}");
    assert_eq!(outcome("really-text.pdf"), "indexed", "the type is found from the content");
    // Root may read everything.
    assert!(matches!(outcome("unreadable.txt"), "failed" | "indexed"), "{ledger:?}");
    assert!(ledger.iter().all(|(path, outcome, ..)| !path.starts_with("secret") || outcome == "ignored"));
    assert_eq!(desk.found(&desk.data(), "\"gate code\"").len(), 1);
    assert!(desk.found(&desk.data(), "\"Nobody reads this\"").is_empty());
}

/// A file over the limit that takes no room on the disk.
fn huge(desk: &Desk) {
    let file = std::fs::File::create(desk.folder().join("huge.txt")).unwrap();
    file.set_len(600 << 20).unwrap();
}
