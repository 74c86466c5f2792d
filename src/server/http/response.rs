//! An answer, and how it becomes a response.

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode, Version};

use super::body::{Content, Stream};
use super::line::Line;
use super::negotiation::Format;
use crate::metrics;

/// The response that hyper is given to send.
pub(super) type Reply = Response<Content>;

static JSON: HeaderValue = HeaderValue::from_static("application/json");
static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
static BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");
static METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);

/// The answer to a request, before it is a response.
pub(super) struct Answer {
    status: StatusCode,
    /// The media type of the body; none where there is no body.
    content: Option<&'static HeaderValue>,
    body: Content,
    /// Whether the same request gets the same answer for ever.
    lasting: bool,
    allow: Option<&'static str>,
    /// Whole seconds.
    retry_after: Option<u64>,
    close: bool,
}

impl Answer {
    /// A success whose body has the form `format`.
    pub(super) fn new(format: Format, body: impl Into<Bytes>) -> Self {
        Self::of(format, Content::whole(body))
    }

    /// A success whose body is `line`.
    #[inline]
    pub(super) fn line(format: Format, line: Box<Line>) -> Self {
        Self::of(format, Content::Line(Some(line)))
    }

    /// A success whose body is not sent, only its length, if that is known.
    pub(super) fn head(format: Format, length: Option<usize>) -> Self {
        let unsent = length.map_or(Content::UnsentStream, |length| {
            Content::Unsent(length as u64)
        });
        Self::of(format, unsent)
    }

    /// A success whose body is sent as it comes.
    pub(super) fn stream(format: Format, stream: Stream) -> Self {
        Self::of(format, Content::Stream(Box::new(stream)))
    }

    fn of(format: Format, body: Content) -> Self {
        let content = match format {
            Format::Json => &JSON,
            Format::Text => &TEXT,
            Format::Binary => &BINARY,
        };
        Self {
            status: StatusCode::OK,
            content: Some(content),
            body,
            lasting: false,
            allow: None,
            retry_after: None,
            close: false,
        }
    }

    /// A success whose body is text for Prometheus.
    pub(super) fn metrics(body: String) -> Self {
        Self {
            content: Some(&METRICS),
            ..Self::new(Format::Text, body)
        }
    }

    /// The answer to OPTIONS: the methods of a path.
    pub(super) fn options(methods: &'static str) -> Self {
        Self {
            content: None,
            ..Self::new(Format::Text, Bytes::new())
        }
        .status(StatusCode::NO_CONTENT)
        .allow(methods)
    }

    /// This answer with another status.
    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// This answer, which caches may keep: it will not change.
    pub(super) fn lasting(self) -> Self {
        Self {
            lasting: true,
            ..self
        }
    }

    /// This answer with the header Allow, which lists the route's methods.
    pub(super) fn allow(self, methods: &'static str) -> Self {
        Self {
            allow: Some(methods),
            ..self
        }
    }

    /// This answer with the header Retry-After: in how many seconds to come back.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    /// Makes this the connection's last answer.
    pub(super) fn close(&mut self) {
        self.close = true;
    }

    /// The response to the request with that head. It takes over the request's map of headers, as hyper takes
    /// over that of a response it has sent: that saves two allocations a request.
    pub(super) fn into_reply(self, request: Parts) -> Reply {
        let is_old = request.version < Version::HTTP_11;
        // In HTTP/1.0 a body whose length is not told ends with the connection.
        let closes = self.close || is_old && self.body.is_endless();
        let mut reply = Response::new(self.body);
        if closes && is_old {
            // Else hyper would also promise to keep the connection open.
            *reply.version_mut() = request.version;
        }
        *reply.status_mut() = self.status;
        *reply.headers_mut() = request.headers;
        let headers = reply.headers_mut();
        headers.clear();
        if let Some(content) = self.content {
            headers.insert(CONTENT_TYPE, content.clone());
        }
        if !self.lasting {
            headers.insert(
                CACHE_CONTROL,
                const { HeaderValue::from_static("no-store") },
            );
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }

    /// The status that it has.
    pub(super) fn code(&self) -> u16 {
        self.status.as_u16()
    }
}
