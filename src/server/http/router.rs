//! From a request to the endpoint that answers it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, Request, Version};
use tokio::time;

use super::context::Context;
use super::error::Error;
use super::head::Head;
use super::idle::READING;
use super::response::{Answer, Reply};
use super::routes::{self, Handler, Route};
use super::{App, Limits, endpoint, host};
use shardflake::clock::{Clock, SystemClock};
use shardflake::time::BootTime;

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
    let (place, rest) = routes::find(request.uri().path());
    let rest = request.uri().path().len() - rest.len();
    // Most requests are answered here, without a future on the heap.
    if request.body().is_end_stream()
        && let Some(answer) = at_once(&context.app, place, &Head::of(&request), begun)
    {
        if is_plain(&request) {
            context.activity.plain();
        }
        let (parts, _) = request.into_parts();
        let reply = finish(context, place, begun, answer, parts);
        return Answering::Known(Some(reply));
    }
    let context = Arc::clone(context);
    Answering::Awaited(Box::pin(async move {
        let (parts, body) = request.into_parts();
        let answer = read_and_respond(&context, place, rest, &parts, body).await;
        finish(&context, place, begun, answer, parts)
    }))
}

/// The answer to a request for one new ID, if there is nothing to wait for.
#[inline]
fn at_once(app: &App, place: usize, request: &Head<'_>, begun: BootTime) -> Option<Answer> {
    let route = routes::at(place)?;
    let Handler::NewId(json) = route.handler else {
        return None;
    };
    if !route.methods.have(request.method) || !host::is_sound(request) {
        return None;
    }
    endpoint::at_once(app, json(app.replies), request, begun)
}

/// Whether the request leaves nothing special in hyper's state, such as an old version, an answer without a
/// body or a wish for another protocol.
#[inline]
fn is_plain(request: &Request<Incoming>) -> bool {
    request.version() == Version::HTTP_11
        && request.method() != Method::HEAD
        && request.extensions().is_empty()
}

/// The reply to the request with that head; counts it as answered now by the route at `place`.
#[inline]
fn finish(
    context: &Context,
    place: usize,
    begun: BootTime,
    mut answer: Answer,
    request: Parts,
) -> Reply {
    let ended = SystemClock.boottime();
    if context.is_last(ended) {
        answer.close();
    }
    context.activity.waiting(ended);
    let took = (ended - begun).as_nanos().unsigned_abs();
    context.app.metrics.answered(place, answer.code(), took);
    match context.app.cors.grant(&request.headers) {
        None => answer.into_reply(request),
        Some(grant) => grant.said_in(answer.into_reply(request)),
    }
}

/// The answer of the route at `place`, after the body was read. The part of the path that the client filled
/// in begins at byte `rest`.
async fn read_and_respond(
    context: &Context,
    place: usize,
    rest: usize,
    parts: &Parts,
    body: Incoming,
) -> Answer {
    let answered = async {
        if !body.is_end_stream() {
            discard(body, &context.limits).await?;
        }
        respond(
            context,
            routes::at(place),
            &parts.uri.path()[rest..],
            &parts.into(),
        )
        .await
    };
    answered.await.unwrap_or_else(|error: Error| {
        if error.leaves_unread() {
            context.leave_unread();
        }
        error.answer(context.app.replies)
    })
}

async fn respond(
    context: &Context,
    route: Option<&Route>,
    rest: &str,
    request: &Head<'_>,
) -> Result<Answer, Error> {
    let app = &context.app;
    host::check(request)?;
    let path = request.uri.path();
    if *request.method == Method::OPTIONS {
        return Ok(Answer::options(routes::methods(route, path).allow()));
    }
    let route = route.ok_or_else(|| Error::not_found(path))?;
    if !route.methods.have(request.method) {
        return Err(Error::method(request.method, route.methods.allow()));
    }
    match route.handler {
        Handler::NewId(json) => endpoint::new_id(app, json(app.replies), request).await,
        Handler::ManyIds(shape) => {
            endpoint::many_ids(app, &context.activity, rest, shape, request).await
        }
        Handler::NewWide(kind) => endpoint::one_wide(app, &context.activity, kind, request).await,
        Handler::ManyWide(kind) => {
            endpoint::many_wide(app, &context.activity, kind, rest, request).await
        }
        Handler::Plain(answer) => answer(app, request, rest),
    }
}

/// Reads a body that nobody wants, so that the next request can follow it.
async fn discard(mut body: Incoming, limits: &Limits) -> Result<(), Error> {
    let limit = limits.body_bytes;
    // Known from the head of the request, or not at all.
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
    // alarm goes off before the bytes that have come are read.
    time::timeout(limits.stall() + READING, read)
        .await
        .unwrap_or(Err(Error::BodyTimeout {
            limit: limits.stall(),
        }))
}
