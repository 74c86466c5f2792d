//! From a request to the endpoint that answers it.

use std::convert::Infallible;
use std::time::Instant;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, Request};
use tokio::time;

use super::connection::Context;
use super::error::Error;
use super::response::{Answer, Reply};
use super::{Limits, endpoint};
use crate::metrics::Route;

/// Where a path leads; `/decode/` is followed by what is to be decoded.
fn route(path: &str) -> (Route, &str) {
    let route = match path {
        "/generate" => Route::Generate,
        "/id" => Route::Id,
        "/health" => Route::Health,
        "/livez" => Route::Livez,
        "/readyz" => Route::Readyz,
        "/metrics" => Route::Metrics,
        _ => {
            return match path.strip_prefix("/decode/") {
                Some(id) => (Route::Decode, id),
                None => (Route::Other, ""),
            };
        }
    };
    (route, "")
}

/// Answers one request, and counts it.
pub(super) async fn answer(
    context: &Context<'_>,
    request: Request<Incoming>,
) -> Result<Reply, Infallible> {
    let begun = Instant::now();
    context.begin();
    let (parts, body) = request.into_parts();
    let (route, rest) = route(parts.uri.path());
    let answered = if body.is_end_stream() {
        respond(context, route, rest, &parts).await
    } else {
        match discard(body, &context.limits).await {
            Ok(()) => respond(context, route, rest, &parts).await,
            Err(error) => Err(error),
        }
    };
    let mut answer = answered.unwrap_or_else(|error| {
        if error.leaves_unread() {
            context.leave_unread();
        }
        error.answer()
    });
    if context.is_ending() {
        answer = answer.close();
    }
    let ended = Instant::now();
    context.end(ended);
    let metrics = &context.app.metrics;
    metrics.answered(route, answer.code(), ended - begun);
    Ok(answer.into_reply(parts.headers))
}

async fn respond(
    context: &Context<'_>,
    route: Route,
    rest: &str,
    parts: &Parts,
) -> Result<Answer, Error> {
    let app = context.app;
    check_method(route, &parts.method)?;
    match route {
        Route::Generate => endpoint::generate(app, parts).await,
        Route::Id => endpoint::id(app, parts).await,
        Route::Decode => endpoint::decode(app, rest, parts.uri.query()),
        Route::Health => Ok(endpoint::health(app, &parts.headers)),
        Route::Livez => Ok(endpoint::livez(app)),
        Route::Readyz => Ok(endpoint::readyz(app)),
        Route::Metrics => Ok(endpoint::metrics(app)),
        Route::Other => Err(Error::NotFound),
    }
}

fn check_method(route: Route, method: &Method) -> Result<(), Error> {
    let (post, allow) = match route {
        Route::Other => return Ok(()),
        Route::Generate | Route::Id => (true, "GET, HEAD, POST"),
        _ => (false, "GET, HEAD"),
    };
    match *method {
        Method::GET | Method::HEAD => Ok(()),
        Method::POST if post => Ok(()),
        _ => Err(Error::Method { allow }),
    }
}

/// Reads a body that nobody wants, so that the next request can follow it.
async fn discard(mut body: Incoming, limits: &Limits) -> Result<(), Error> {
    let limit = limits.body_bytes;
    let too_large = || Error::BodyTooLarge { limit };
    if body.size_hint().lower() > limit as u64 {
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
    time::timeout(limits.idle_timeout, read)
        .await
        .unwrap_or(Err(Error::BodyTimeout {
            limit: limits.idle_timeout,
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
            (Route::Id, Method::DELETE, "GET, HEAD, POST"),
            (Route::Health, Method::POST, "GET, HEAD"),
            (Route::Decode, Method::OPTIONS, "GET, HEAD"),
        ] {
            let Err(Error::Method { allow }) = check_method(route, &method) else {
                panic!("{method} is allowed");
            };
            assert_eq!(allow, expected);
        }
    }
}
