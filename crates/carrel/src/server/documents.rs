//! Documents as they were read, and the bytes of their files.
//!
//! Files are somebody else's work. Nothing of them is rendered here as live markup: a PDF goes to our own
//! viewer, all else is plain text or a download, and every one of them under a policy that lets nothing run.

use std::io::SeekFrom;
use std::ops::RangeInclusive;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use carrel_corpus::DocumentId;
use carrel_index::FileRecord;
use carrel_ingest::Password;
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Site;
use super::failure::{Asked, Body, Failure, Named};
use super::routes::blocking;
use crate::wire;

const POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";
const BLOCK: usize = 64 * 1024;

#[derive(Deserialize)]
pub struct Stretch {
    start: usize,
    end: usize,
}

/// `GET /library/documents/ID`
pub async fn show(
    State(site): State<Site>,
    Named(id): Named<i64>,
) -> Result<Json<wire::DocumentInfo>, Failure> {
    blocking(move || Ok(wire::DocumentInfo::from(&site.library.document(DocumentId(id))?))).await.map(Json)
}

/// `GET /library/documents/ID/text?start=S&end=E`
pub async fn text(
    State(site): State<Site>,
    Named(id): Named<i64>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<wire::DocumentText>, Failure> {
    blocking(move || site.library.document_text(DocumentId(id), stretch.start, stretch.end))
        .await
        .map(|text| Json(wire::DocumentText::from(&text)))
}

/// `POST /library/documents/ID/unlock`
pub async fn unlock(
    State(site): State<Site>,
    Named(id): Named<i64>,
    Body(body): Body<wire::UnlockBody>,
) -> Result<StatusCode, Failure> {
    let password = Password::new(&body.password);
    blocking(move || site.library.unlock(DocumentId(id), &password)).await.map(|()| StatusCode::NO_CONTENT)
}

/// `GET /library/documents/ID/file`; one range of bytes may be asked for.
pub async fn file(
    State(site): State<Site>,
    Named(id): Named<i64>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let record = blocking(move || site.library.document(DocumentId(id))).await?;
    if record.container.is_some() {
        return Err(Failure::new(StatusCode::NOT_FOUND, "this document is inside another file")
            .hint("its text can be read"));
    }
    let gone = |_| Failure::new(StatusCode::NOT_FOUND, "the file is no longer there");
    let mut file = File::open(carrel_ingest::path_from_stored(&record.path)).await.map_err(gone)?;
    let metadata = file.metadata().await.map_err(gone)?;
    if !metadata.is_file() {
        return Err(Failure::new(StatusCode::NOT_FOUND, "this is not a file any more"));
    }
    let size = metadata.len();
    let asked =
        headers.get(header::RANGE).and_then(|range| range.to_str().ok()).map(|range| part(range, size));
    let mut response = match asked {
        None | Some(Part::Everything) => stream(file, size).into_response(),
        Some(Part::Of(range)) => {
            file.seek(SeekFrom::Start(*range.start())).await.map_err(gone)?;
            let mut response = stream(file, range.end() - range.start() + 1).into_response();
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let described = format!("bytes {}-{}/{size}", range.start(), range.end());
            insert(&mut response, header::CONTENT_RANGE, &described);
            response
        }
        Some(Part::Outside) => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
    };
    describe(&mut response, &record);
    Ok(response)
}

fn describe(response: &mut Response, record: &FileRecord) {
    let (media_type, disposition) = match record.media_type.as_str() {
        "application/pdf" => ("application/pdf", "inline"),
        text if text.starts_with("text/") => ("text/plain; charset=utf-8", "inline"),
        _ => ("application/octet-stream", "attachment"),
    };
    insert(response, header::CONTENT_TYPE, media_type);
    insert(
        response,
        header::CONTENT_DISPOSITION,
        &format!("{disposition}; filename*=UTF-8''{}", escaped(&record.path)),
    );
    insert(response, header::CONTENT_SECURITY_POLICY, POLICY);
    insert(response, header::ACCEPT_RANGES, "bytes");
}

fn insert(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The file's own name, percent-encoded as RFC 8187 wants it.
fn escaped(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The next `length` bytes of a file.
fn stream(file: File, length: u64) -> Response {
    let blocks = futures::stream::try_unfold(file.take(length), |mut rest| async move {
        let mut block = vec![0; BLOCK];
        let read = rest.read(&mut block).await?;
        block.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then_some((block, rest)))
    });
    ([(header::CONTENT_LENGTH, length.to_string())], axum::body::Body::from_stream(blocks)).into_response()
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Everything,
    Of(RangeInclusive<u64>),
    Outside,
}

/// RFC 9110, section 14: a header that is not understood, or asks for several ranges, stands for everything.
fn part(header: &str, size: u64) -> Part {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Everything;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..=last.min(size.saturating_sub(1)),
        (Ok(first), Err(_)) if last.is_empty() => first..=size.saturating_sub(1),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 => {
            size.saturating_sub(count)..=size.saturating_sub(1)
        }
        _ => return Part::Everything,
    };
    if size == 0 || *range.start() >= size { Part::Outside } else { Part::Of(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_has_it() {
        for (header, expected) in [
            ("bytes=0-9", Part::Of(0..=9)),
            ("bytes=90-", Part::Of(90..=99)),
            ("bytes=-10", Part::Of(90..=99)),
            ("bytes=95-200", Part::Of(95..=99)),
            ("bytes=-200", Part::Of(0..=99)),
            ("bytes=100-", Part::Outside),
            ("bytes=9-1", Part::Everything),
            ("bytes=0-1,5-6", Part::Everything),
            ("lines=1-2", Part::Everything),
        ] {
            assert_eq!(part(header, 100), expected, "{header}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Outside);
    }

    #[test]
    fn names_are_safe_in_a_header() {
        assert_eq!(escaped("/a/Über \"uns\"\n.pdf"), "%C3%9Cber%20%22uns%22%0A.pdf");
    }
}
