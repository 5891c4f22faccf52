//! How long a search takes in a large library, what the library costs, and what the approximate index misses.
//!
//! Not run by itself: `CARREL_SCALE=1000000 cargo test --workspace -- --ignored --nocapture scale`.

use std::time::Instant;

use carrel_corpus::ChunkId;
use carrel_index::{FileStamp, Filter, Index, IndexConfig, Query, Ranking, Reading, Tuning};

use crate::shelf::{chunks, document, stamp, texts};

const DIMENSIONS: usize = 384;
/// Words of a chunk, paragraphs of a document: about a page each.
const WORDS: usize = 200;
const PARAGRAPHS: usize = 10;
const VOCABULARY: f64 = 60_000.0;
const TOPICS: u64 = 5_000;
const QUERIES: u64 = 300;

/// Numbers that are the same in every run (SplitMix64; Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A word by Zipf's law: the logarithm of its rank is even.
    fn word(&mut self) -> String {
        let rank = VOCABULARY.powf(self.unit()) as u64;
        format!("w{}x", radix(rank.wrapping_mul(2_654_435_761) % 4_000_037))
    }

    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }

    /// A unit vector around the centre of a topic, as embeddings of texts on one subject lie.
    fn vector(&mut self, topic: u64, spread: f32) -> Vec<f32> {
        let mut centre = Random(topic.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let even = |random: &mut Random| random.unit() as f32 - 0.5;
        let mut vector: Vec<f32> = (0..DIMENSIONS).map(|_| even(&mut centre) + spread * even(self)).collect();
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|value| *value /= length);
        vector
    }
}

/// In letters only, so that it is one word.
fn radix(mut number: u64) -> String {
    let mut letters = String::new();
    while number > 0 {
        letters.push((b'a' + (number % 26) as u8) as char);
        number /= 26;
    }
    letters
}

fn fill(index: &Index, wanted: usize) {
    let mut random = Random(1);
    let mut made = 0;
    while made < wanted {
        let files: Vec<(String, String)> = (0..200)
            .map(|file| {
                let paragraphs: Vec<String> = (0..PARAGRAPHS).map(|_| random.text(WORDS)).collect();
                (format!("/d/{}/{}.txt", made % 50, made + file), paragraphs.join("\n\n"))
            })
            .collect();
        let read: Vec<_> = files
            .iter()
            .map(|(path, text)| {
                let (document, chunks) = (document(text), chunks(text));
                let texts = texts(text, &chunks);
                (path, text, document, chunks, texts)
            })
            .collect();
        let readings: Vec<(FileStamp, Vec<Reading>)> = read
            .iter()
            .map(|(path, text, document, chunks, texts)| {
                let path = (*path).clone();
                (stamp(&path, text), vec![Reading { path, document, chunks, texts }])
            })
            .collect();
        index.put_many(&readings).unwrap();
        loop {
            let pending: Vec<ChunkId> =
                index.pending_vectors(2_000).unwrap().into_iter().map(|(chunk, _)| chunk).collect();
            if pending.is_empty() {
                break;
            }
            let topic = |chunk: ChunkId| chunk.0 as u64 * 7 % TOPICS;
            let vectors: Vec<_> =
                pending.into_iter().map(|chunk| (chunk, random.vector(topic(chunk), 1.0))).collect();
            index.put_vectors(&vectors).unwrap();
        }
        made += 200 * PARAGRAPHS;
    }
}

fn query(seed: u64, ranking: Ranking) -> Query {
    let mut random = Random(seed.wrapping_mul(77) + 5);
    let topic = random.next() % TOPICS;
    Query {
        text: random.text(8),
        vector: Some(random.vector(topic, 1.0)),
        filter: Filter::default(),
        limit: 10,
        ranking,
        per_document: None,
        collapse_duplicates: true,
        strict_phrases: false,
    }
}

/// The times of all queries in milliseconds, ascending.
fn times(index: &Index, ranking: Ranking) -> Vec<f64> {
    let mut times: Vec<f64> = (0..QUERIES)
        .map(|seed| {
            let query = query(seed, ranking);
            let began = Instant::now();
            assert_eq!(index.search(&query).unwrap().len(), query.limit);
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn megabytes(directory: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let bytes = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => megabytes(&entry.path()) << 20,
        false => entry.metadata().unwrap().len(),
    };
    entries.map(bytes).sum::<u64>() >> 20
}

/// What the system says of this process's memory, where it does.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.collect::<Vec<_>>().join(", ").replace('\t', " ")
}

#[test]
#[ignore = "minutes of work: measures time and memory"]
fn scale() {
    let wanted = std::env::var("CARREL_SCALE").map_or(100_000, |count| count.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("library");
    let config =
        || IndexConfig { directory: path.clone(), embedder: "synthetic".into(), dimensions: DIMENSIONS };
    let open = |exact_up_to| Index::open_with(config(), Tuning { exact_up_to, ..Tuning::default() }).unwrap();
    let mut began = Instant::now();
    let mut lap = |what: &str| {
        println!("{what}: {:.1} s; {}", began.elapsed().as_secs_f64(), memory());
        began = Instant::now();
    };

    let index = open(usize::MAX);
    fill(&index, wanted);
    lap("put and given vectors");
    index.publish().unwrap();
    lap("published");
    let show = |index: &Index, name: &str| {
        for ranking in [Ranking::Hybrid, Ranking::Keywords, Ranking::Vectors] {
            let times = times(index, ranking);
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            println!("{name} {ranking:?}: p50 {:.1} ms, p99 {:.1} ms", at(0.5), at(0.99));
        }
        let times = times(index, Ranking::Hybrid);
        times[times.len() * 99 / 100]
    };
    let slowest = show(&index, "exact");
    let first = |index: &Index| -> Vec<Vec<ChunkId>> {
        (0..QUERIES)
            .map(|seed| index.search(&query(seed, Ranking::Vectors)).unwrap())
            .map(|found| found.into_iter().map(|passage| passage.chunk).collect())
            .collect()
    };
    let exact = first(&index);
    drop(index);
    lap("searched");

    let index = open(wanted / 2);
    lap("opened");
    // The first files once more: nothing but the number of the last change is new, and the index is made.
    fill(&index, 1);
    index.publish().unwrap();
    lap("indexed");
    show(&index, "approximate");
    let found = first(&index);
    let common = |(exact, found): (&Vec<ChunkId>, &Vec<ChunkId>)| {
        exact.iter().filter(|chunk| found.contains(chunk)).count()
    };
    let common: usize = exact.iter().zip(&found).map(common).sum();
    let recall = common as f64 / exact.iter().map(Vec::len).sum::<usize>() as f64;
    println!("recall@10 of the approximate index: {recall:.4}; {}", memory());
    for store in ["catalog.sqlite", "keywords", "vectors"] {
        let place = path.join(store);
        let size = if place.is_dir() { megabytes(&place) } else { place.metadata().unwrap().len() >> 20 };
        println!("{store}: {size} MB");
    }
    assert!(recall >= 0.99, "recall {recall}");
    assert!(wanted > 100_000 || slowest <= 25.0, "p99 of a hybrid search {slowest} ms");
}
