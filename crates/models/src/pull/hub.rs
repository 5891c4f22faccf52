//! Models on the Hugging Face Hub.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::Agent;
use ureq::http::Response;

use super::{Meter, by_hand, check_disk};
use crate::catalogue::{Entry, PinnedFile};
use crate::{Digest, Error, Manifest, Store};

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// Long enough for a far place, short enough that a closed network is noticed at once.
const CONNECT: Duration = Duration::from_secs(3);

/// What the Hub says of a file before it is fetched.
struct Head {
    /// The digest of a large file. Small ones have none.
    digest: Option<Digest>,
    bytes: Option<u64>,
}

struct Hub<'a> {
    entry: &'a Entry,
    endpoint: String,
    repository: &'a str,
    agent: Agent,
}

pub(super) fn fetch(
    store: &Store,
    entry: &Entry,
    repository: &str,
    partial: &Path,
    meter: &mut Meter<'_>,
) -> Result<Manifest, Error> {
    // The variable by which other programs too are told of a mirror.
    let endpoint = std::env::var("HF_ENDPOINT").unwrap_or_else(|_| DEFAULT_ENDPOINT.to_owned());
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    let hub = Hub { entry, endpoint, repository, agent: agent() };
    let directory = partial.join("hub");
    fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
    for file in entry.files {
        let path = directory.join(file.name);
        hub.file(file, &path, meter)?;
    }
    meter.say(format!("checking {}", entry.name), 0)?;
    let files = store.adopt_known(entry, &directory)?;
    store.register_known(entry, files, &format!("Hugging Face Hub, {repository}"))
}

fn agent() -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_resolve(Some(CONNECT))
        .timeout_recv_response(Some(Duration::from_secs(20)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .user_agent(concat!("carrel/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

impl Hub<'_> {
    fn url(&self, file: &PinnedFile) -> String {
        format!("{}/{}/resolve/main/{}", self.endpoint, self.repository, file.name)
    }

    fn host(&self) -> &str {
        self.endpoint.split("://").last().unwrap_or(&self.endpoint)
    }

    fn unreachable(&self, error: &ureq::Error) -> Error {
        Error::Unreachable {
            what: self.host().to_owned(),
            reason: error.to_string(),
            remedy: by_hand(self.entry),
        }
    }

    /// Fetches one file to a path, beginning where an earlier attempt ended.
    fn file(&self, file: &PinnedFile, path: &Path, meter: &mut Meter<'_>) -> Result<(), Error> {
        meter.say(format!("{} from {}", file.name, self.host()), 0)?;
        if path.exists() {
            return Ok(());
        }
        let head = self.head(file)?;
        let pinned = file.sha256.and_then(Digest::parse);
        if let (Some(pinned), Some(offered)) = (pinned, head.digest) {
            crate::store::blob::check(file.name, Some(pinned), offered)?;
        }
        meter.begin(head.bytes);
        let unfinished = path.with_extension("unfinished");
        let there = fs::metadata(&unfinished).map_or(0, |metadata| metadata.len());
        check_disk(path.parent().unwrap_or(path), head.bytes.unwrap_or(0).saturating_sub(there))?;
        self.body(file, &unfinished, head.bytes, meter)?;
        if let Some(expected) = pinned.or(head.digest) {
            let checked =
                crate::store::blob::check(file.name, Some(expected), Digest::of_file(&unfinished)?.0);
            if checked.is_err() {
                let _ = fs::remove_file(&unfinished);
            }
            checked?;
        }
        fs::rename(&unfinished, path).map_err(Error::io("create", path))
    }

    /// Asks without following: the digest is a header of the answer that points to the storage.
    fn head(&self, file: &PinnedFile) -> Result<Head, Error> {
        let request =
            self.agent.head(self.url(file)).config().max_redirects(0).http_status_as_error(true).build();
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        let large = header(&response, "x-linked-etag");
        Ok(Head {
            digest: large.and_then(|etag| Digest::parse(etag.trim_start_matches("W/").trim_matches('"'))),
            bytes: header(&response, "x-linked-size").and_then(|size| size.parse().ok()),
        })
    }

    fn body(
        &self,
        file: &PinnedFile,
        to: &PathBuf,
        total: Option<u64>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Error> {
        let mut there = fs::metadata(to).map_or(0, |metadata| metadata.len());
        if total.is_some_and(|total| there == total) {
            return Ok(());
        }
        let request = self.agent.get(self.url(file)).header("Range", format!("bytes={there}-"));
        let mut response = request.call().map_err(|error| self.unreachable(&error))?;
        let resumed = response.status().as_u16() == 206;
        there = if resumed { there } else { 0 };
        let mut out = OpenOptions::new()
            .create(true)
            .write(true)
            .append(resumed)
            .truncate(!resumed)
            .open(to)
            .map_err(Error::io("write", to))?;
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = body.read(&mut buffer).map_err(|error| self.unreachable(&ureq::Error::Io(error)))?;
            if read == 0 {
                return Ok(());
            }
            std::io::Write::write_all(&mut out, &buffer[..read]).map_err(Error::io("write", to))?;
            there += read as u64;
            meter.at(there)?;
        }
    }
}

fn header<'r, B>(response: &'r Response<B>, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}
