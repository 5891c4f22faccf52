use std::os::unix::fs::MetadataExt;

use super::*;
use crate::gguf::testing::Builder;

fn tiny(name: &str) -> Vec<u8> {
    Builder::new("llama")
        .string("general.name", name)
        .string("general.license", "apache-2.0")
        .u32("llama.context_length", 2048)
        .tensor_f32("token_embd.weight", &[2, 2], &[1.0, 2.0, 3.0, 4.0])
        .build()
}

struct Bench {
    directory: tempfile::TempDir,
    store: Store,
}

fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    Bench { directory, store }
}

impl Bench {
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.store.directory().join("blobs")).unwrap().count()
    }
}

#[test]
fn an_imported_file_is_linked_named_and_described() {
    let bench = bench();
    let path = bench.file("some.gguf", &tiny("Tiny"));
    let manifest = bench.store.import(&path, "tiny:1b").unwrap();
    assert_eq!(bench.store.get("tiny:1b").unwrap(), manifest);
    assert_eq!(manifest.kind, ModelKind::Generator);
    assert_eq!(manifest.description, "Tiny");
    assert_eq!(manifest.architecture.as_deref(), Some("llama"));
    assert_eq!(manifest.parameters, Some(4));
    assert_eq!(manifest.context_tokens, Some(2048));
    assert_eq!(manifest.quantisation.as_deref(), Some("F32"));
    assert_eq!(manifest.licence.as_deref(), Some("apache-2.0"));
    let blob = bench.store.file(&manifest, "weights").unwrap();
    assert_eq!(fs::metadata(&blob).unwrap().ino(), fs::metadata(&path).unwrap().ino());
    bench.store.verify("tiny:1b").unwrap();
}

#[test]
fn a_blob_goes_with_its_last_name() {
    let bench = bench();
    let path = bench.file("some.gguf", &tiny("Tiny"));
    bench.store.import(&path, "one").unwrap();
    let second = bench.store.import(&path, "team/two:latest").unwrap();
    fs::remove_file(&path).unwrap();
    let names: Vec<_> = bench.store.list().unwrap().into_iter().map(|manifest| manifest.name).collect();
    assert_eq!(names, ["one", "team/two:latest"]);
    assert_eq!(bench.blobs(), 1);
    assert_eq!(bench.store.remove("one").unwrap(), 0);
    assert_eq!(bench.store.remove("team/two:latest").unwrap(), second.bytes());
    assert_eq!(bench.blobs(), 0);
    assert!(matches!(bench.store.get("one"), Err(Error::UnknownModel { .. })));
}

#[test]
fn damage_is_noticed() {
    let bench = bench();
    let path = bench.file("some.gguf", &tiny("Tiny"));
    let manifest = bench.store.import(&path, "tiny").unwrap();
    let mut bytes = tiny("Tiny");
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(bench.store.verify("tiny"), Err(Error::Digest { .. })));
    fs::write(&path, &bytes[..100]).unwrap();
    assert!(matches!(bench.store.file(&manifest, "weights"), Err(Error::Digest { .. })));
}

#[test]
fn folders_of_other_programs_are_understood() {
    let bench = bench();
    let weights = tiny("Foreign");
    let digest = Digest::of(&weights);
    bench.file(&format!("ollama/models/blobs/sha256-{digest}"), &weights);
    let layers = format!(
        r#"{{"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{digest}","size":1}}]}}"#
    );
    bench.file("ollama/models/manifests/registry.ollama.ai/library/qwen2.5/3b", layers.as_bytes());
    let ollama = bench.directory.path().join("ollama");
    assert_eq!(bench.store.import(&ollama, "qwen2.5:3b").unwrap().file("weights"), Some(digest));
    assert!(matches!(bench.store.import(&ollama, "qwen2.5:7b"), Err(Error::NothingToImport { .. })));

    let hub = bench.directory.path().join("huggingface/models--a--b");
    bench.file("huggingface/models--a--b/refs/main", b"abc");
    bench.file(&format!("huggingface/models--a--b/blobs/{digest}"), &weights);
    fs::create_dir_all(hub.join("snapshots/abc")).unwrap();
    std::os::unix::fs::symlink(format!("../../blobs/{digest}"), hub.join("snapshots/abc/b.gguf")).unwrap();
    assert_eq!(bench.store.import(&hub, "from-hub").unwrap().file("weights"), Some(digest));

    bench.file("lmstudio/publisher/repo/model.gguf", &weights);
    bench.file("lmstudio/publisher/repo/mmproj-model.gguf", &weights);
    let studio = bench.directory.path().join("lmstudio");
    assert_eq!(bench.store.import(&studio, "from-studio").unwrap().file("weights"), Some(digest));
    assert_eq!(bench.blobs(), 1);
}

#[test]
fn a_catalogue_name_means_the_catalogue_file() {
    let bench = bench();
    let path = bench.file("other.gguf", &tiny("Another"));
    assert!(matches!(bench.store.import(&path, "smollm2:135m"), Err(Error::Digest { .. })));
    assert!(bench.store.list().unwrap().is_empty());
}

#[test]
fn names_that_could_be_paths_are_refused() {
    let bench = bench();
    for name in ["", "../x", ".hidden", "a b", "x\0y", "/abs"] {
        assert!(matches!(bench.store.get(name), Err(Error::BadName { .. })), "{name:?}");
    }
}

#[test]
fn what_is_no_model_is_refused() {
    let bench = bench();
    let text = bench.file("notes.txt", b"not a model");
    assert!(matches!(bench.store.import(&text, "x"), Err(Error::NothingToImport { .. })));
    let cut = bench.file("cut.gguf", &tiny("Tiny")[..60]);
    assert!(matches!(bench.store.import(&cut, "x"), Err(Error::Header { .. })));
    assert!(bench.store.list().unwrap().is_empty());
}
