//! The API: one line for each address, and the handlers that are too small for a module of their own.

use std::path::PathBuf;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use carrel_corpus::FolderId;
use carrel_index::Filter;
use serde::{Deserialize, Serialize};

use super::failure::{Asked, Body, Failure, Named};
use super::{Site, ask, documents, tasks};
use crate::library::Error;
use crate::{airgap, audit, wire};

/// Longest request body.
const BODY_BYTES: usize = 1 << 20;

/// What both listeners serve.
pub fn all(site: &Site) -> Router {
    Router::new()
        .route("/library/status", get(status))
        .route("/library/events", get(ask::status))
        .route("/library/files", get(files))
        .route("/library/folders", post(add_folder))
        .route("/library/folders/{id}", axum::routing::delete(remove_folder))
        .route("/library/search", post(search))
        .route("/library/ask", post(ask::ask))
        .route("/library/list", post(tasks::list))
        .route("/library/summarise", post(tasks::summarise))
        .route("/library/compare", post(tasks::compare))
        .route("/library/table", post(tasks::table))
        .route("/library/documents/{id}", get(documents::show))
        .route("/library/documents/{id}/text", get(documents::text))
        .route("/library/documents/{id}/file", get(documents::file))
        .route("/library/documents/{id}/unlock", post(documents::unlock))
        .route("/library/conversations", get(conversations))
        .route("/library/conversations/{id}", get(conversation).delete(remove_conversation))
        .route("/library/pause", post(pause))
        .route("/library/resume", post(resume))
        .route("/library/locks", get(locks))
        .route("/library/audit", get(audit_log))
        .method_not_allowed_fallback(async || Failure::wrong_method())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(site.clone())
}

/// What only the owner of the data directory may ask for.
pub fn owner(site: &Site) -> Router {
    Router::new().route("/library/links", post(new_link)).with_state(site.clone())
}

/// Runs what blocks on a thread where that is allowed.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Failure::internal()),
    }
}

async fn status(State(site): State<Site>) -> Result<Json<wire::Status>, Failure> {
    blocking(move || Ok(wire::Status::from(&site.library.status()?))).await.map(Json)
}

#[derive(Deserialize)]
struct InFolder {
    folder: Option<i64>,
}

async fn files(
    State(site): State<Site>,
    Asked(InFolder { folder }): Asked<InFolder>,
) -> Result<Json<wire::Files>, Failure> {
    blocking(move || {
        let records = site.library.files(folder.map(FolderId))?;
        let folders = match folder {
            None => Vec::new(),
            Some(id) => {
                let known = site.library.folders()?;
                known.into_iter().filter(|folder| folder.id.0 == id).map(|folder| folder.path).collect()
            }
        };
        let coverage = site.library.coverage(&Filter { folders, ..Filter::default() })?;
        Ok(wire::Files::new(&records, &coverage))
    })
    .await
    .map(Json)
}

async fn add_folder(
    State(site): State<Site>,
    Body(body): Body<wire::FolderBody>,
) -> Result<(StatusCode, Json<wire::Folder>), Failure> {
    blocking(move || {
        let id = site.library.add_folder(&at_home(&body.path))?;
        let folders = site.library.folders()?;
        let added = folders.iter().find(|folder| folder.id == id).ok_or(Error::NoSuchFolder)?;
        Ok(wire::Folder::from(added))
    })
    .await
    .map(|folder| (StatusCode::CREATED, Json(folder)))
}

/// People type `~` for their home directory, as the shell lets them.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix('~'), std::env::home_dir()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(path),
    }
}

async fn remove_folder(State(site): State<Site>, Named(id): Named<i64>) -> Result<StatusCode, Failure> {
    blocking(move || site.library.remove_folder(FolderId(id))).await.map(|()| StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
struct Found {
    passages: Vec<wire::Passage>,
}

async fn search(
    State(site): State<Site>,
    Body(body): Body<wire::SearchBody>,
) -> Result<Json<Found>, Failure> {
    blocking(move || Ok(Found { passages: wire::passages(&site.library.search(&body.into())?) }))
        .await
        .map(Json)
}

#[derive(Serialize)]
struct Conversations {
    conversations: Vec<wire::ConversationSummary>,
}

async fn conversations(State(site): State<Site>) -> Result<Json<Conversations>, Failure> {
    blocking(move || {
        let conversations = site.library.conversations()?;
        Ok(Conversations {
            conversations: conversations.iter().map(wire::ConversationSummary::from).collect(),
        })
    })
    .await
    .map(Json)
}

async fn conversation(
    State(site): State<Site>,
    Named(id): Named<String>,
) -> Result<Json<wire::Conversation>, Failure> {
    blocking(move || Ok(wire::Conversation::from(&site.library.conversation(&id)?))).await.map(Json)
}

async fn remove_conversation(
    State(site): State<Site>,
    Named(id): Named<String>,
) -> Result<StatusCode, Failure> {
    blocking(move || site.library.delete_conversation(&id)).await.map(|()| StatusCode::NO_CONTENT)
}

async fn pause(State(site): State<Site>) -> StatusCode {
    site.library.pause();
    StatusCode::NO_CONTENT
}

async fn resume(State(site): State<Site>) -> StatusCode {
    site.library.resume();
    StatusCode::NO_CONTENT
}

#[derive(Serialize)]
struct Link {
    link: String,
}

async fn new_link(State(site): State<Site>) -> Json<Link> {
    Json(Link { link: site.doors.link(site.address) })
}

/// What this very process is kept from, tried from one of its own threads.
async fn locks() -> Json<Vec<airgap::probe::Outcome>> {
    Json(airgap::probe::from_inside())
}

/// Whether the audit log is whole, and what it holds, in words.
async fn audit_log(State(site): State<Site>) -> Result<Json<(bool, String)>, Failure> {
    blocking(move || Ok(audit::describe(&site.library.index().verify_audit()?))).await.map(Json)
}
