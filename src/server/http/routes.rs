//! The routes, in one table.
//!
//! A new route is a row of it, and a function in `endpoint` that answers. From the row follow where a
//! request goes, the header Allow, what is said of a path that is not a route, and the label in the metrics.

use hyper::Method;

use super::App;
use super::endpoint::{self, ReadKind, Shape};
use super::error::Error;
use super::head::Head;
use super::profile::{Replies, WriteId};
use super::response::Answer;

/// Every route, in the order in which people and the metrics are told of them. A request's is looked for
/// from the first on: those that are asked for the most come first.
const ROUTES: &[Route] = {
    use Handler::{ManyIds, ManyWide, NewId, NewWide, Plain};
    use Methods::{Get, GetAndPost};
    &[
        Route::new(
            "/generate",
            GetAndPost,
            "generate",
            NewId(|all| all.generate),
        ),
        Route::new("/id", GetAndPost, "id", NewId(|all| all.id)),
        Route::new("/ids/{count}", GetAndPost, "ids", ManyIds(endpoint::ids)),
        Route::new(
            "/ranges/{count}",
            GetAndPost,
            "ranges",
            ManyIds(endpoint::ranges),
        ),
        Route::new("/uuid", GetAndPost, "uuid", NewWide(endpoint::uuid)),
        Route::new(
            "/uuids/{count}",
            GetAndPost,
            "uuids",
            ManyWide(endpoint::uuid),
        ),
        Route::new("/ulid", GetAndPost, "ulid", NewWide(endpoint::ulid)),
        Route::new(
            "/ulids/{count}",
            GetAndPost,
            "ulids",
            ManyWide(endpoint::ulid),
        ),
        Route::new(
            "/decode/{id}",
            Get,
            "decode",
            Plain(|app, request, id| endpoint::decode(app, id, request.uri.query())),
        ),
        Route::new(
            "/bounds",
            Get,
            "bounds",
            Plain(|app, request, _| endpoint::bounds(app, request.uri.query())),
        ),
        Route::new(
            "/health",
            Get,
            "health",
            Plain(|app, request, _| Ok(endpoint::health(app, request))),
        ),
        Route::new(
            "/livez",
            Get,
            "livez",
            Plain(|app, _, _| Ok(endpoint::livez(app))),
        ),
        Route::new(
            "/readyz",
            Get,
            "readyz",
            Plain(|app, _, _| Ok(endpoint::readyz(app))),
        ),
        Route::new(
            "/metrics",
            Get,
            "metrics",
            Plain(|app, _, _| Ok(endpoint::metrics(app))),
        ),
    ]
};

/// The label of every path that is not a route.
const OTHER: &str = "other";

/// A row of the table.
pub(super) struct Route {
    /// The path as people read it. A part in braces, at the end, is for the client to fill in.
    path: &'static str,
    /// The part of the path before the braces.
    fixed: &'static str,
    pub(super) methods: Methods,
    /// The label of its series in the metrics.
    label: &'static str,
    pub(super) handler: Handler,
}

/// How a route comes to its answer.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    /// It takes a new ID, which most requests get without any waiting. The function picks the one of the
    /// profile's replies that it writes.
    NewId(fn(&Replies) -> WriteId),
    /// It takes many IDs, as many as the path says, in the shape that the request asks for.
    ManyIds(fn(&Head<'_>) -> Result<Shape, Error>),
    /// It takes a new UUID or ULID, of the kind that the request asks for.
    NewWide(ReadKind),
    /// It takes many of them, as many as the path says.
    ManyWide(ReadKind),
    /// It takes no ID, and waits for nothing. The text is the part of the path that the client filled in.
    Plain(fn(&App, &Head<'_>, &str) -> Result<Answer, Error>),
}

/// The methods of a path. Each of these has all that the one before it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Methods {
    /// OPTIONS alone, which is answered on every path.
    Options,
    /// GET, and HEAD with it.
    Get,
    /// POST as well, for what takes IDs and so changes something.
    GetAndPost,
}

impl Route {
    const fn new(
        path: &'static str,
        methods: Methods,
        label: &'static str,
        handler: Handler,
    ) -> Self {
        let mut end = 0;
        while end < path.len() && path.as_bytes()[end] != b'{' {
            end += 1;
        }
        Self {
            path,
            fixed: path.split_at(end).0,
            methods,
            label,
            handler,
        }
    }

    /// The part of `path` that the client filled in, if `path` leads here.
    #[inline]
    fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.fixed)?;
        let is_open = self.fixed.len() < self.path.len();
        (is_open || rest.is_empty()).then_some(rest)
    }
}

impl Methods {
    /// Whether `method` is one of them; OPTIONS aside, which is answered in the same way on every path.
    #[inline]
    pub(super) fn have(self, method: &Method) -> bool {
        match *method {
            Method::GET | Method::HEAD => self >= Self::Get,
            Method::POST => self >= Self::GetAndPost,
            _ => false,
        }
    }

    /// The value of the header Allow.
    pub(super) const fn allow(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Get => "GET, HEAD, OPTIONS",
            Self::GetAndPost => "GET, HEAD, POST, OPTIONS",
        }
    }
}

/// Where `path` leads: a place among the [`labels`], and the part that the client filled in.
#[inline]
pub(super) fn find(path: &str) -> (usize, &str) {
    ROUTES
        .iter()
        .enumerate()
        .find_map(|(place, route)| Some((place, route.rest(path)?)))
        .unwrap_or((ROUTES.len(), ""))
}

/// The route at that place; none at the last place, which stands for paths that lead nowhere.
#[inline]
pub(super) fn at(place: usize) -> Option<&'static Route> {
    ROUTES.get(place)
}

/// The methods of `path`, which leads to `route`. The asterisk is no path but stands for the server,
/// which has all that any route has.
pub(super) fn methods(route: Option<&Route>, path: &str) -> Methods {
    let none = Methods::Options;
    match route {
        Some(route) => route.methods,
        None if path == "*" => ROUTES
            .iter()
            .map(|route| route.methods)
            .fold(none, Methods::max),
        None => none,
    }
}

/// The labels of the routes in the metrics; the last one is for all paths that lead nowhere.
pub(super) fn labels() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.label).chain([OTHER])
}

/// All routes, for people.
pub(super) fn listed() -> String {
    let mut paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
    let last = paths.pop().unwrap_or_default();
    format!("{} and {last}", paths.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(path: &str) -> (&'static str, &str) {
        let (place, rest) = find(path);
        (labels().nth(place).unwrap(), rest)
    }

    #[test]
    fn only_whole_paths_are_routes() {
        assert_eq!(label("/generate"), ("generate", ""));
        assert_eq!(label("/ids/7"), ("ids", "7"));
        assert_eq!(label("/decode/7"), ("decode", "7"));
        assert_eq!(label("/decode/"), ("decode", ""));
        for path in [
            "",
            "/",
            "*",
            "/decode",
            "/decode{id}",
            "/generate/",
            "//generate",
            "/Generate",
            "/healthz",
        ] {
            assert_eq!(label(path), (OTHER, ""), "{path}");
        }
    }

    #[test]
    fn every_path_leads_to_its_own_route() {
        for (place, route) in ROUTES.iter().enumerate() {
            assert_eq!(find(route.fixed), (place, ""));
        }
    }

    #[test]
    fn people_and_metrics_are_told_of_every_route() {
        assert_eq!(
            listed(),
            "/generate, /id, /ids/{count}, /ranges/{count}, /uuid, /uuids/{count}, /ulid, /ulids/{count}, /decode/{id}, /bounds, /health, /livez, /readyz and /metrics"
        );
        assert!(labels().eq([
            "generate", "id", "ids", "ranges", "uuid", "uuids", "ulid", "ulids", "decode",
            "bounds", "health", "livez", "readyz", "metrics", "other",
        ]));
    }

    #[test]
    fn every_route_has_a_row_in_the_document() {
        const DOCUMENT: &str = include_str!("../../../packaging/doc/http.md");
        for route in ROUTES {
            let methods = match route.methods {
                Methods::GetAndPost => "`GET` or `POST",
                _ => "`GET",
            };
            let row = format!("\n| {methods} {}", route.path);
            assert!(DOCUMENT.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_route_says_which_methods_it_has() {
        for (path, allowed, refused) in [
            ("/id", "GET, HEAD, POST, OPTIONS", Method::DELETE),
            ("*", "GET, HEAD, POST, OPTIONS", Method::PUT),
            ("/health", "GET, HEAD, OPTIONS", Method::POST),
            ("/decode/7", "GET, HEAD, OPTIONS", Method::PATCH),
            ("/nothing", "OPTIONS", Method::GET),
        ] {
            let methods = methods(at(find(path).0), path);
            assert_eq!(methods.allow(), allowed, "{path}");
            assert!(!methods.have(&refused), "{path}");
            for method in allowed.split(", ").filter(|method| *method != "OPTIONS") {
                assert!(methods.have(&method.parse().unwrap()), "{path} {method}");
            }
        }
    }
}
