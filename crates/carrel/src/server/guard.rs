//! What every request passes before a handler sees it, and every response on its way out.
//!
//! A page on another site can make a browser send requests here, and a name that it owns can be made to point
//! here (DNS rebinding). So a request must name this server as its host, must not come from another origin,
//! and must carry a secret that such a page cannot have.

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::failure::Failure;
use super::{Site, assets, routes};

/// Our own files, and nothing else. WebAssembly is what pdf.js decodes scans with.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
     font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The routes for the loopback listener.
pub fn guarded(site: &Site) -> Router {
    Router::new()
        .merge(routes::all(site))
        .fallback(assets::serve)
        .layer(middleware::from_fn_with_state(site.clone(), admit))
        .layer(middleware::from_fn(harden))
}

/// The routes for the socket in the data directory: whoever can open it is the owner.
pub fn trusted(site: &Site) -> Router {
    Router::new()
        .merge(routes::all(site))
        .merge(routes::owner(site))
        .fallback(async || Failure::nothing_here())
        .layer(middleware::from_fn(harden))
}

#[derive(Deserialize)]
struct Login {
    token: Option<String>,
}

async fn admit(State(site): State<Site>, request: Request, next: Next) -> Response {
    if let Err(failure) = is_for_us(&site, request.headers()) {
        return failure.into_response();
    }
    let known = is_known(&site, request.headers());
    if let Some(token) = login_token(request.method(), request.uri()) {
        return match site.doors.enter(&token) {
            Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
            // The link again, in a browser that it has signed in already.
            None if known => Redirect::to("/").into_response(),
            None => assets::used_link(),
        };
    }
    match known {
        true => next.run(request).await,
        false if wants_a_page(request.headers()) => assets::not_signed_in(),
        false => Failure::new(StatusCode::UNAUTHORIZED, "this request carries no valid session or token")
            .hint("open the link that `carrel serve` printed, or send the token in the data directory's file `token`")
            .into_response(),
    }
}

/// Whether a request names this server and does not come from somewhere else.
fn is_for_us(site: &Site, headers: &HeaderMap) -> Result<(), Failure> {
    let port = site.address.port();
    let names = [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")];
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) if names.iter().any(|name| name.eq_ignore_ascii_case(host)) => host,
        _ => {
            return Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, "this server has another name")
                .hint(format!("use http://{}/", names[0])));
        }
    };
    let foreign =
        |what: &str| Err(Failure::new(StatusCode::FORBIDDEN, format!("this request comes from {what}")));
    for origin in headers.get_all(header::ORIGIN) {
        if !origin.as_bytes().eq_ignore_ascii_case(format!("http://{host}").as_bytes()) {
            return foreign("another origin");
        }
    }
    match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => foreign("another site"),
    }
}

fn is_known(site: &Site, headers: &HeaderMap) -> bool {
    let any = |name, knows: &dyn Fn(&str) -> bool| {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(knows)
    };
    any(header::COOKIE, &|cookies| site.doors.knows_cookie(cookies))
        || any(header::AUTHORIZATION, &|authorization| site.doors.knows_bearer(authorization))
}

fn login_token(method: &Method, uri: &Uri) -> Option<String> {
    let login =
        (method == Method::GET && uri.path() == "/").then(|| Query::<Login>::try_from_uri(uri).ok())??;
    login.0.token
}

fn wants_a_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Adds to every response what a browser must be told; a handler that has said it already is left alone.
async fn harden(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-dns-prefetch-control"), "off"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
