//! The page, which is part of the program, and the two plain pages for a browser that is not signed in.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::failure::Failure;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
struct Page;

/// Files with a hash of their content in their name never change.
const FOREVER: &str = "private, max-age=31536000, immutable";
const ASK_AGAIN: &str = "private, no-cache";

/// Everything that is not an API.
pub async fn serve(uri: Uri) -> Response {
    let path = match uri.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let Some(file) = Page::get(path) else {
        return Failure::nothing_here().into_response();
    };
    let hashed = path.starts_with("assets/") && !path.starts_with("assets/pdfjs/");
    let cache = if hashed { FOREVER } else { ASK_AGAIN };
    ([(header::CONTENT_TYPE, media_type(path)), (header::CACHE_CONTROL, cache)], file.data).into_response()
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        Some("ttf") => "font/ttf",
        _ => "application/octet-stream",
    }
}

/// For a link that was opened before, or was never one of ours.
pub fn used_link() -> Response {
    plain("This link has been used", "A link to Carrel works once, in one browser.")
}

/// For a browser without a session.
pub fn not_signed_in() -> Response {
    plain("This browser is not signed in", "Carrel shows your documents only to a browser that you let in.")
}

fn plain(title: &str, explanation: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} - Carrel</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         <p>{explanation}</p><p>To get a new link, type this in a terminal on the same machine:</p>\
         <p><code>carrel open</code></p></main></body></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (
            header::CONTENT_SECURITY_POLICY,
            format!("default-src 'none'; style-src '{STYLE_HASH}'; frame-ancestors 'none'"),
        ),
    ];
    (StatusCode::FORBIDDEN, headers, page).into_response()
}

const STYLE: &str = ":root{color-scheme:light dark}body{margin:0;font:18px/1.6 Palatino,'URW Palladio L',P052,Georgia,serif;\
color:light-dark(#27231c,#ece5d6);background:light-dark(#faf7f0,#191815)}main{max-width:34em;margin:18vh auto 0;padding:0 24px}\
h1{font-weight:400;font-size:32px;line-height:1.2}code{font-size:16px;padding:8px 14px;border:1px solid;border-radius:8px}";

/// The policy allows this style by its digest; a test keeps the two together.
const STYLE_HASH: &str = "sha256-AGtIJQKhm7BZa2fs0DsR8WF7k7ZQKO/QDmY2tL+wCBg=";

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_policy_allows_the_style_of_the_plain_pages() {
        assert_eq!(STYLE_HASH, format!("sha256-{}", base64(&Sha256::digest(STYLE))));
    }

    fn base64(bytes: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let groups = bytes.chunks(3).map(|group| {
            let bits =
                (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
            (0..4).map(move |at| match at <= group.len() {
                true => char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]),
                false => '=',
            })
        });
        groups.flatten().collect()
    }

    #[test]
    fn the_page_and_what_it_loads_are_embedded() {
        let index = Page::get("index.html").expect("the built page is part of the program");
        let index = String::from_utf8(index.data.into_owned()).unwrap();
        let loaded: Vec<&str> = index
            .split(['"', '\''])
            .filter(|part| part.starts_with('/') && part.contains('.'))
            .map(|part| part.trim_start_matches('/'))
            .collect();
        assert!(loaded.len() >= 4, "{loaded:?}");
        for path in loaded {
            assert!(Page::get(path).is_some(), "{path} is not embedded");
        }
        assert!(!index.contains("http://") && !index.contains("https://"));
    }
}
