//! Which pages of other origins may read the replies: CORS, as browsers ask for it.
//!
//! Nothing is kept from anybody by it who is no browser, and no page gets more than a reply: neither
//! cookies nor passwords are asked for.

use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
};

use super::response::Reply;

/// How long a browser may go by what it was told before a request, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
/// What a page may read beside what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");
/// What is told before a request depends on these, beside the origin.
const ASKED: &str = "access-control-request-method, access-control-request-headers";
const ALL_ASKED: &str = "origin, access-control-request-method, access-control-request-headers";

/// The origins whose pages may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cors {
    /// None but our own, which has no pages: replies say nothing of it.
    #[default]
    Off,
    /// Every one.
    Any,
    /// These, as browsers send them.
    These(Vec<HeaderValue>),
}

/// What a reply has to say, before it is made.
pub(super) struct Grant {
    /// The origin that may read it.
    origin: Option<HeaderValue>,
    /// Whether another origin would be told otherwise.
    varies: bool,
    /// Whether a browser asks before the page's own request, and for which headers.
    before: bool,
    headers: Option<HeaderValue>,
}

impl Cors {
    /// Of these origins, of which `*` stands for all.
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

    /// What is to be said in reply to a request with these headers; nothing if CORS is off.
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
    /// `reply`, which says it as well.
    pub(super) fn said_in(self, mut reply: Reply) -> Reply {
        self.add_to(&mut reply);
        reply
    }

    fn add_to(self, reply: &mut Reply) {
        // Nothing else has this status but what answers OPTIONS.
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
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !options {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            return;
        }
        if !self.before {
            return;
        }
        if let Some(methods) = headers.get(ALLOW).cloned() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        // Whatever they are: no route reads them.
        if let Some(asked) = self.headers {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
}
