//! Work over whole documents as server-sent events: how far it has come, then what it gave.
//!
//! When the reader goes away the next step breaks, and the work ends there.

use std::ops::ControlFlow;

use axum::extract::State;
use carrel_generate::tasks::{Visited, Watcher};
use serde::Serialize;
use tokio::sync::mpsc;

use super::Site;
use super::ask::{Events, WAITING, events, failed, named};
use super::failure::Body;
use crate::library::{Error, Library};
use crate::wire;

/// `POST /library/list`
pub async fn list(State(site): State<Site>, Body(body): Body<wire::ListBody>) -> Events {
    work(site, move |library, watch| {
        let visit = library.visit(&body.question, &body.scope.into(), watch)?;
        Ok(wire::Listing::from(&visit))
    })
}

/// `POST /library/summarise`
pub async fn summarise(State(site): State<Site>, Body(body): Body<wire::SummariseBody>) -> Events {
    work(site, move |library, watch| Ok(wire::Summary::from(&library.summarise(&body.path, watch)?)))
}

/// `POST /library/compare`
pub async fn compare(State(site): State<Site>, Body(body): Body<wire::CompareBody>) -> Events {
    work(site, move |library, _| {
        let comparison = library.compare(&body.first, &body.second)?;
        Ok(wire::Comparison::new(body.first, body.second, &comparison))
    })
}

/// `POST /library/table`
pub async fn table(State(site): State<Site>, Body(body): Body<wire::TableBody>) -> Events {
    work(site, move |library, watch| {
        let schema = body.schema.to_string();
        Ok(wire::Table::from(&library.tabulate(&schema, &body.scope.into(), watch)?))
    })
}

fn work<T: Serialize>(
    site: Site,
    work: impl FnOnce(&Library, &mut Watcher<'_>) -> Result<T, Error> + Send + 'static,
) -> Events {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let outcome = work(&site.library, &mut |visited: Visited<'_>| {
            let stopping = *site.stopping.borrow();
            let gone = || sender.blocking_send(named("visited", &wire::Visited::from(visited))).is_err();
            if stopping || gone() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let last = match &outcome {
            Ok(done) => named("done", done),
            Err(error) => failed(error),
        };
        // A reader that has gone does not hear how it ended.
        let _ = sender.blocking_send(last);
    });
    events(receiver)
}
