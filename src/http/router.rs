//! From a request to the endpoint that answers it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Request, Version};
use tokio::time;

use super::context::Context;
use super::error::Error;
use super::idle::READING;
use super::profile::WriteId;
use super::response::{Answer, Reply};
use super::{App, Limits, endpoint, host};
use crate::clock::{Clock, SystemClock};
use crate::metrics::Route;

/// Where a path leads, and what follows the route in it.
fn route(path: &str) -> (Route, &str) {
    let route = match path {
        "/generate" => Route::Generate,
        "/id" => Route::Id,
        "/health" => Route::Health,
        "/livez" => Route::Livez,
        "/readyz" => Route::Readyz,
        "/metrics" => Route::Metrics,
        "/bounds" => Route::Bounds,
        _ => return longer(path),
    };
    (route, "")
}

/// Routes that end in what is asked for.
fn longer(path: &str) -> (Route, &str) {
    let routes = [
        ("/ids/", Route::Ids),
        ("/ranges/", Route::Ranges),
        ("/decode/", Route::Decode),
    ];
    routes
        .into_iter()
        .find_map(|(prefix, route)| Some((route, path.strip_prefix(prefix)?)))
        .unwrap_or((Route::Other, ""))
}

/// The answer to a request.
pub(super) enum Answering {
    /// It is known. `None` once it was given.
    Known(Option<Reply>),
    /// It is awaited.
    Awaited(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

impl Future for Answering {
    type Output = Result<Reply, Infallible>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Known(reply) => Poll::Ready(Ok(reply.take().expect("polled until it is ready"))),
            Self::Awaited(reply) => reply.as_mut().poll(cx).map(Ok),
        }
    }
}

/// Answers one request, and counts it.
#[inline]
pub(super) fn answer(context: &Arc<Context>, request: Request<Incoming>) -> Answering {
    let begun = SystemClock.boottime();
    context.activity.asked(begun);
    let (parts, body) = request.into_parts();
    let (route, rest) = route(parts.uri.path());
    let single = matches!(route, Route::Generate | Route::Id);
    let plain = single && body.is_end_stream() && check_method(route, &parts.method).is_ok();
    if plain && host::check(&parts).is_ok() {
        // Most requests: without a task's state to keep.
        if let Some(answered) =
            endpoint::at_once(&context.app, json(&context.app, route), &parts, begun)
        {
            if is_plain(&parts) {
                context.activity.plain();
            }
            let (version, headers) = (parts.version, parts.headers);
            let reply = finish(context, route, begun, answered, version, headers);
            return Answering::Known(Some(reply));
        }
    }
    let rest = parts.uri.path().len() - rest.len();
    let context = Arc::clone(context);
    Answering::Awaited(Box::pin(async move {
        let answered = read_and_respond(&context, route, rest, &parts, body).await;
        let (version, headers) = (parts.version, parts.headers);
        finish(&context, route, begun, answered, version, headers)
    }))
}

/// Whether hyper remembers nothing special of the request: no old version, no lack of a body in the
/// answer, no wish for another protocol.
#[inline]
fn is_plain(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11 && parts.method != Method::HEAD && parts.extensions.is_empty()
}

/// The reply, counted as of now. `version` and `headers` are the request's.
#[inline]
fn finish(
    context: &Context,
    route: Route,
    begun: i64,
    answered: Result<Answer, Error>,
    version: Version,
    headers: HeaderMap,
) -> Reply {
    let mut answer = answered.unwrap_or_else(|error| {
        if error.leaves_unread() {
            context.leave_unread();
        }
        error.answer(context.app.replies)
    });
    let ended = SystemClock.boottime();
    if context.is_last(ended) {
        answer = answer.close();
    }
    context.activity.waiting(ended);
    let took = (ended - begun).unsigned_abs();
    context.app.metrics.answered(route, answer.code(), took);
    let grant = context.app.cors.grant(&headers);
    let mut reply = answer.into_reply(version, headers);
    if let Some(grant) = grant {
        grant.add_to(&mut reply);
    }
    reply
}

/// The route's answer, after the body was read; what is asked for begins at `rest` of the path.
async fn read_and_respond(
    context: &Context,
    route: Route,
    rest: usize,
    parts: &Parts,
    body: Incoming,
) -> Result<Answer, Error> {
    if !body.is_end_stream() {
        discard(body, &context.limits).await?;
    }
    respond(context, route, &parts.uri.path()[rest..], parts).await
}

async fn respond(
    context: &Context,
    route: Route,
    rest: &str,
    parts: &Parts,
) -> Result<Answer, Error> {
    let app = &context.app;
    host::check(parts)?;
    if parts.method == Method::OPTIONS {
        return Ok(Answer::options(methods(route, parts.uri.path())));
    }
    check_method(route, &parts.method)?;
    match route {
        Route::Generate | Route::Id => endpoint::new_id(app, json(app, route), parts).await,
        Route::Ids => endpoint::ids(app, &context.activity, rest, parts).await,
        Route::Ranges => endpoint::ranges(app, &context.activity, rest, parts).await,
        Route::Bounds => endpoint::bounds(app, parts.uri.query()),
        Route::Decode => endpoint::decode(app, rest, parts.uri.query()),
        Route::Health => Ok(endpoint::health(app, &parts.headers)),
        Route::Livez => Ok(endpoint::livez(app)),
        Route::Readyz => Ok(endpoint::readyz(app)),
        Route::Metrics => Ok(endpoint::metrics(app)),
        Route::Other => Err(Error::not_found(parts.uri.path())),
    }
}

/// How `route` writes an ID.
#[inline]
fn json(app: &App, route: Route) -> WriteId {
    match route {
        Route::Generate => app.replies.generate,
        _ => app.replies.id,
    }
}

/// The methods of `route`. Of a path that is none, what every path has; of the asterisk, what some have.
const fn methods(route: Route, path: &str) -> &'static str {
    match route {
        Route::Generate | Route::Id | Route::Ids | Route::Ranges => "GET, HEAD, POST, OPTIONS",
        Route::Other if matches!(path.as_bytes(), b"*") => "GET, HEAD, POST, OPTIONS",
        Route::Other => "OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    }
}

/// Whether `route` is had by `method`; OPTIONS, which is answered in the same way by all, aside.
fn check_method(route: Route, method: &Method) -> Result<(), Error> {
    let post = matches!(
        route,
        Route::Generate | Route::Id | Route::Ids | Route::Ranges
    );
    match *method {
        _ if route == Route::Other => Ok(()),
        Method::GET | Method::HEAD => Ok(()),
        Method::POST if post => Ok(()),
        _ => Err(Error::method(method, methods(route, ""))),
    }
}

/// Reads a body that nobody wants, so that the next request can follow it.
async fn discard(mut body: Incoming, limits: &Limits) -> Result<(), Error> {
    let limit = limits.body_bytes;
    // Known from the head, or not at all.
    let length = body.size_hint().exact();
    let too_large = || Error::BodyTooLarge { length, limit };
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let read = async {
        let mut left = limit;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Error::BodyBroken)?;
            let length = frame.data_ref().map_or(0, bytes::Bytes::len);
            left = left.checked_sub(length).ok_or_else(too_large)?;
        }
        Ok(())
    };
    // The process may have been stopped, or kept from running, while the client was prompt: then the
    // alarm goes off before what has come was read.
    time::timeout(limits.stall() + READING, read)
        .await
        .unwrap_or(Err(Error::BodyTimeout {
            limit: limits.stall(),
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_paths_are_routes() {
        assert_eq!(route("/generate"), (Route::Generate, ""));
        assert_eq!(route("/decode/7"), (Route::Decode, "7"));
        assert_eq!(route("/decode/"), (Route::Decode, ""));
        for path in [
            "",
            "/",
            "*",
            "/decode",
            "/generate/",
            "//generate",
            "/Generate",
            "/healthz",
        ] {
            assert_eq!(route(path), (Route::Other, ""), "{path}");
        }
    }

    #[test]
    fn a_route_says_which_methods_it_has() {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            assert!(check_method(Route::Generate, &method).is_ok());
        }
        for (route, method, expected) in [
            (Route::Id, Method::DELETE, "GET, HEAD, POST, OPTIONS"),
            (Route::Health, Method::POST, "GET, HEAD, OPTIONS"),
            (Route::Decode, Method::PATCH, "GET, HEAD, OPTIONS"),
        ] {
            let Err(Error::Method { allow, .. }) = check_method(route, &method) else {
                panic!("{method} is allowed");
            };
            assert_eq!(allow, expected);
        }
    }
}
