//! Answers and status as server-sent events.
//!
//! The library blocks, so it works on a thread of its own and hands each event through a channel. When the
//! reader goes away, the channel closes, the next event breaks, and with it the generation ends.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::Site;
use super::failure::Body;
use crate::library::{AskRequest, Error};
use crate::wire;

/// Events that may wait for a slow reader before the generation does.
pub const WAITING: usize = 64;
/// A comment as often keeps the connection open and shows the server when the reader has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Status is sent at most as often.
const STATUS_EVERY: Duration = Duration::from_millis(250);

pub type Events = Sse<
    axum::response::sse::KeepAliveStream<
        std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>,
    >,
>;

/// `POST /library/ask`
pub async fn ask(State(site): State<Site>, Body(body): Body<wire::AskBody>) -> Events {
    let (sender, receiver) = mpsc::channel(WAITING);
    let request = AskRequest::from(body);
    tokio::task::spawn_blocking(move || {
        let outcome = site.library.ask(&request, &mut |event| {
            let (name, data) = wire::event(&event);
            let stopping = *site.stopping.borrow();
            match stopping || sender.blocking_send(named(name, &data)).is_err() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let last = match &outcome {
            Ok(answered) => named("done", &wire::Answer::from(answered)),
            Err(Error::Cancelled) => return,
            Err(error) => failed(error),
        };
        // A reader that has gone does not hear how it ended.
        let _ = sender.blocking_send(last);
    });
    events(receiver)
}

/// `GET /library/events`: the status now, and again whenever it has changed.
pub async fn status(State(site): State<Site>) -> Events {
    let (sender, receiver) = mpsc::channel(1);
    let mut changes = site.library.changes();
    let mut stopping = site.stopping.clone();
    tokio::spawn(async move {
        loop {
            changes.mark_unchanged();
            let library = site.library.clone();
            let began = Instant::now();
            let status = tokio::task::spawn_blocking(move || library.status()).await;
            let Ok(Ok(status)) = status else { return };
            if sender.send(named("status", &wire::Status::from(&status))).await.is_err() {
                return;
            }
            // A status that takes long to make, of a very large library, is made less often.
            tokio::time::sleep(STATUS_EVERY.max(began.elapsed() * 10)).await;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                _ = sender.closed() => return,
                _ = stopping.wait_for(|&stopping| stopping) => return,
            }
        }
    });
    events(receiver)
}

/// The last event of work that failed.
pub fn failed(error: &Error) -> Event {
    named("error", &wire::ErrorBody::from(error).error)
}

pub fn named(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    event.json_data(data).unwrap_or_else(|_| Event::default().comment("an event could not be encoded"))
}

pub fn events(receiver: mpsc::Receiver<Event>) -> Events {
    let stream: std::pin::Pin<Box<dyn Stream<Item = _> + Send>> =
        Box::pin(ReceiverStream::new(receiver).map(Ok));
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
