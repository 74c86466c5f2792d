//! The head of a request: all of it but its body.

use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri, Version};

/// The head of a request, borrowed: taking a request apart moves all of it.
pub(super) struct Head<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) version: Version,
    pub(super) headers: &'a HeaderMap,
    /// The last Host header.
    pub(super) host: Option<&'a HeaderValue>,
    /// How many of them there are.
    pub(super) hosts: usize,
    /// The first Accept header.
    pub(super) accept: Option<&'a HeaderValue>,
}

impl<'a> Head<'a> {
    /// A head, with the headers that nearly every request is judged by found: most requests have few headers,
    /// and going through them once is cheaper than looking up two.
    #[inline]
    pub(super) fn new(
        method: &'a Method,
        uri: &'a Uri,
        version: Version,
        headers: &'a HeaderMap,
    ) -> Self {
        let (mut host, mut hosts, mut accept) = (None, 0, None);
        for (name, value) in headers {
            if *name == HOST {
                host = Some(value);
                hosts += 1;
            } else if *name == ACCEPT && accept.is_none() {
                accept = Some(value);
            }
        }
        Self {
            method,
            uri,
            version,
            headers,
            host,
            hosts,
            accept,
        }
    }

    /// The head of a whole request.
    #[inline]
    pub(super) fn of<B>(request: &'a Request<B>) -> Self {
        let (method, uri) = (request.method(), request.uri());
        Self::new(method, uri, request.version(), request.headers())
    }
}

impl<'a> From<&'a Parts> for Head<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self::new(&parts.method, &parts.uri, parts.version, &parts.headers)
    }
}
