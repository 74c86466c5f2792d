//! The errors of a request; the only place that maps them to status codes.

use std::io;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Serialize;

use super::endpoint::MOST;
use super::negotiation::{Format, QueryError, shorten};
use super::profile::Replies;
use super::response::Answer;
use super::routes;
use shardflake::id::encoding::DecodeError;
use shardflake::id::layout::Overflow;
use shardflake::id::time_span::TimeSpanError;
use shardflake::issuer::Refusal;

/// Why a request does not get what it asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{path:?} is not a route; the routes are {}", routes::listed())]
    NotFound { path: String },
    #[error("{method} is not a method of this route; use one of {allow}")]
    Method { method: String, allow: &'static str },
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Id(#[from] DecodeError),
    #[error(transparent)]
    Fields(#[from] Overflow),
    #[error(
        "an HTTP/1.1 request needs exactly one Host header, with a name or an address and perhaps a port, but this one has {seen}; send one such as localhost:7001"
    )]
    Host { seen: String },
    #[error("this server does not speak HTTP/2; use HTTP/1.1")]
    Http2,
    #[error("{seen:?} is not a number of IDs; ask for 1 to {MOST}, in decimal digits")]
    Count { seen: String },
    #[error(transparent)]
    Span(#[from] TimeSpanError),
    #[error(
        "{limit} long replies with many IDs are being sent already, which is the limit; try again later, ask for fewer IDs (up to 2,000 are always served), or raise http.bulk_replies"
    )]
    TooManyBulk { limit: usize },
    #[error(
        "over HTTP/1.0 a list of decimal numbers that was cut off would look complete; use HTTP/1.1, or ask for at most 2,000 IDs, or for JSON, or for ?encoding=hex"
    )]
    EndUnseen,
    #[error("the request body has {}more than the {limit} bytes allowed; send none, because no route reads it", told(*.length))]
    BodyTooLarge { length: Option<u64>, limit: usize },
    #[error("the request body was not complete after {}; send it faster, or none, because no route reads it", shardflake::timestamp::span(*.limit))]
    BodyTimeout { limit: Duration },
    #[error("the request body is malformed or was cut off; send it whole, or none")]
    BodyBroken,
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not the UUID or the ULID that it is meant to be.
    #[error("{0}")]
    Wide(String),
    #[error(
        "the kernel gives no random bytes (getrandom: {reason}); allow that call to the server, as SystemCallFilter=@system-service does"
    )]
    NoRandom { reason: String },
    #[error(
        "the thread that keeps the mark has not come round for 30s or more; restart the process"
    )]
    Stuck,
}

/// The body of an error.
#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

impl Error {
    /// The error for a text that is not a number of IDs.
    pub(super) fn count(seen: &str) -> Self {
        Self::Count {
            seen: shorten(seen),
        }
    }

    pub(super) fn not_found(path: &str) -> Self {
        Self::NotFound {
            path: shorten(path),
        }
    }

    pub(super) fn no_random(reason: &io::Error) -> Self {
        Self::NoRandom {
            reason: reason.to_string(),
        }
    }

    pub(super) fn method(method: &Method, allow: &'static str) -> Self {
        Self::Method {
            method: shorten(method.as_str()),
            allow,
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Host { .. }
            | Self::Http2
            | Self::Query(_)
            | Self::Id(_)
            | Self::Wide(_)
            | Self::Fields(_)
            | Self::Count { .. }
            | Self::Span(_)
            | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::TooManyBulk { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(_) | Self::NoRandom { .. } | Self::Stuck => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::EndUnseen => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// A word for programs, in snake case.
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Method { .. } => "method_not_allowed",
            Self::Host { .. } => "bad_host",
            Self::Http2 => "bad_protocol",
            Self::Query(_) | Self::Span(_) => "bad_query",
            Self::Count { .. } => "bad_count",
            Self::TooManyBulk { .. } => "too_many_bulk_replies",
            Self::Id(_) | Self::Wide(_) | Self::Fields(_) => "bad_id",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTimeout { .. } => "body_timeout",
            Self::BodyBroken => "bad_body",
            Self::Refused(refusal) => refusal.code(),
            Self::NoRandom { .. } => "no_random",
            Self::Stuck => "stuck",
            Self::EndUnseen => "end_unseen",
        }
    }

    /// Whether the request was answered before all of its body was read.
    pub(super) const fn leaves_unread(&self) -> bool {
        matches!(
            self,
            Self::BodyTooLarge { .. } | Self::BodyTimeout { .. } | Self::BodyBroken
        )
    }

    /// The body as JSON, with the keys that the profile documents.
    fn body(&self, replies: &Replies) -> String {
        let body = Body {
            error: &self.to_string(),
            code: replies.error_has_code.then(|| self.code()),
        };
        serde_json::to_string(&body).expect("texts make JSON")
    }

    /// The answer as JSON.
    pub(super) fn answer(&self, replies: &Replies) -> Answer {
        self.finish(Answer::new(Format::Json, self.body(replies)))
    }

    /// The whole answer as bytes of HTTP, for a client that hyper does not answer.
    pub(super) fn bytes(&self, replies: &Replies) -> String {
        let (status, body) = (self.status(), self.body(replies));
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{body}"
        )
    }

    /// The answer as plain text.
    pub(super) fn answer_as_text(&self) -> Answer {
        self.finish(Answer::new(Format::Text, self.to_string()))
    }

    /// Gives `answer` the status of this error, and the headers that belong to it.
    pub(super) fn finish(&self, answer: Answer) -> Answer {
        let mut answer = answer.status(self.status());
        if self.leaves_unread() {
            answer.close();
        }
        match self {
            Self::Method { allow, .. } => answer.allow(allow),
            Self::TooManyBulk { .. } | Self::NoRandom { .. } | Self::Stuck => answer.retry_after(1),
            Self::Refused(refusal) => answer.retry_after(whole_seconds(refusal.retry_after())),
            _ => answer,
        }
    }
}

/// The length of a body, as the message has it before the limit; empty if it is not known.
fn told(length: Option<u64>) -> String {
    length.map_or_else(String::new, |length| format!("{length} bytes, "))
}

/// `duration` rounded up to seconds, at least one: the header has no smaller unit.
fn whole_seconds(duration: Duration) -> u64 {
    let started = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(started).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shardflake::id::Encoding;

    #[test]
    fn every_code_of_a_bad_request_has_a_row_in_the_document() {
        const DOCUMENT: &str = include_str!("../../../packaging/doc/http.md");
        let limit = Duration::from_secs(1);
        for error in [
            Error::not_found("/x"),
            Error::method(&Method::PUT, "GET"),
            Error::Query(QueryError::Repeated("format")),
            Error::Id(Encoding::Decimal.decode("x").unwrap_err()),
            Error::count("x"),
            Error::Host {
                seen: String::new(),
            },
            Error::Http2,
            Error::TooManyBulk { limit: 4 },
            Error::BodyTooLarge {
                length: None,
                limit: 1,
            },
            Error::BodyTimeout { limit },
            Error::BodyBroken,
            Error::EndUnseen,
            Error::Wide(String::new()),
            Error::no_random(&io::Error::other("x")),
            Error::Stuck,
        ] {
            let (status, code) = (error.status().as_u16(), error.code());
            let row = format!("\n| {status} | `{code}` | ");
            assert!(DOCUMENT.contains(&row), "{row}");
        }
    }

    #[test]
    fn seconds_round_up_and_are_never_zero() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }
}
