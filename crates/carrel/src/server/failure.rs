//! A failed request, as JSON: `{"error": {"message", "hint"}}`.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::library::{self, Kind};
use crate::wire::{ErrorBody, ErrorDetail};

/// What a handler gives back when it could not do what it was asked. Holds no document text.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    body: ErrorBody,
}

impl Failure {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Failure {
        Failure { status, body: ErrorBody { error: ErrorDetail { message: message.into(), hint: None } } }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.body.error.hint = Some(hint.into());
        self
    }

    pub fn nothing_here() -> Failure {
        Failure::new(StatusCode::NOT_FOUND, "there is nothing at this address")
    }

    pub fn wrong_method() -> Failure {
        Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not understand that method")
    }

    pub fn internal() -> Failure {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong inside")
    }
}

impl From<library::Error> for Failure {
    fn from(error: library::Error) -> Failure {
        let status = match error.kind() {
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::BadRequest => StatusCode::BAD_REQUEST,
            Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure { status, body: ErrorBody::from(&error) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// A JSON body, refused like everything else when it does not fit.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Failure> {
        let refused = |rejection: JsonRejection| Failure::new(rejection.status(), rejection.body_text());
        Json::from_request(request, state).await.map(|Json(body)| Body(body)).map_err(refused)
    }
}

/// The variable part of the address, likewise.
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<T>, Failure> {
        let refused = |rejection: PathRejection| Failure::new(rejection.status(), rejection.body_text());
        Path::from_request_parts(parts, state).await.map(|Path(name)| Named(name)).map_err(refused)
    }
}

/// The part of the address after the question mark, likewise.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Failure> {
        let refused = |rejection: QueryRejection| Failure::new(rejection.status(), rejection.body_text());
        Query::from_request_parts(parts, state).await.map(|Query(asked)| Asked(asked)).map_err(refused)
    }
}
