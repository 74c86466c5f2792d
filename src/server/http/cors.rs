//! Which pages of other origins may read the replies: CORS, as browsers ask for it.
//!
//! It keeps nothing from clients other than browsers, and a page gets no more than a reply: neither cookies
//! nor passwords are asked for.

use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
};

use super::response::Reply;

/// How long a browser may go by the answer to a preflight request, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
/// The headers that a page may read beside those that every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");
/// The request headers, beside the origin, that the answer to a preflight request depends on.
const ASKED: &str = "access-control-request-method, access-control-request-headers";
const ALL_ASKED: &str = "origin, access-control-request-method, access-control-request-headers";

/// The origins whose pages may read replies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cors {
    /// None but our own, which has no pages: replies have no header of CORS.
    #[default]
    Off,
    /// Every one.
    Any,
    /// These, as browsers send them.
    These(Vec<HeaderValue>),
}

/// The headers of CORS for a reply that has yet to be made.
pub(super) struct Grant {
    /// The origin that may read it.
    origin: Option<HeaderValue>,
    /// Whether the reply to another origin would differ.
    varies: bool,
    /// Whether this is a preflight request, which a browser sends before the page's own, and the headers that
    /// it asks for.
    before: bool,
    headers: Option<HeaderValue>,
}

impl Cors {
    /// These origins, of which `*` stands for all.
    #[must_use]
    pub fn new(origins: &[String]) -> Self {
        if origins.is_empty() {
            return Self::Off;
        }
        if origins.iter().any(|origin| origin == "*") {
            return Self::Any;
        }
        // The configuration takes no other characters.
        let values = origins.iter().filter_map(|origin| origin.parse().ok());
        Self::These(values.collect())
    }

    /// The grant for the reply to a request with these headers; `None` if CORS is off.
    #[inline]
    pub(super) fn grant(&self, request: &HeaderMap) -> Option<Box<Grant>> {
        if matches!(self, Self::Off) {
            return None;
        }
        Some(Box::new(self.made_for(request)))
    }

    fn made_for(&self, request: &HeaderMap) -> Grant {
        let (origin, varies) = match self {
            Self::Off => (None, false),
            Self::Any => (Some(HeaderValue::from_static("*")), false),
            Self::These(origins) => {
                let asking = request.get(ORIGIN);
                let known = asking.filter(|asking| origins.contains(asking));
                (known.cloned(), true)
            }
        };
        Grant {
            origin,
            varies,
            before: request.contains_key(ACCESS_CONTROL_REQUEST_METHOD),
            headers: request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
        }
    }
}

impl Grant {
    /// `reply` with the headers of this grant.
    pub(super) fn said_in(self, mut reply: Reply) -> Reply {
        // Only the answer to OPTIONS has this status.
        let options = reply.status() == StatusCode::NO_CONTENT;
        let headers = reply.headers_mut();
        let varies = match (self.varies, options) {
            (false, false) => None,
            (true, false) => Some("origin"),
            (false, true) => Some(ASKED),
            (true, true) => Some(ALL_ASKED),
        };
        if let Some(varies) = varies {
            headers.insert(VARY, HeaderValue::from_static(varies));
        }
        let Some(origin) = self.origin else {
            return reply;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !options {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            return reply;
        }
        if !self.before {
            return reply;
        }
        if let Some(methods) = headers.get(ALLOW).cloned() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        // Whichever they are: no route reads them.
        if let Some(asked) = self.headers {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        reply
    }
}
