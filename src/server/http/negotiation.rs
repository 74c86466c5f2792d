//! Which form an answer takes: what the query asks for, else what the Accept headers prefer.

use hyper::header::{ACCEPT, HeaderMap};

use super::head::Head;
use shardflake::id::Encoding;
use shardflake::wide::Kind;

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Text,
    Binary,
}

/// The form and the encoding that a query string asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Query {
    /// The form of the answer, if the Accept headers are not to decide.
    pub(super) format: Option<Format>,
    /// How IDs are written.
    pub(super) encoding: Encoding,
    /// The version of a UUID, if it is given.
    pub(super) version: Option<Kind>,
}

/// Why the route does not understand a query string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("{key:?} is not a parameter of this route; use {known}")]
    Key { key: String, known: String },
    #[error("{key} is {value:?}; use {known}")]
    Value {
        key: &'static str,
        value: String,
        known: String,
    },
    #[error("{key} is missing; give it, such as {key}={example}")]
    Missing {
        key: &'static str,
        example: &'static str,
    },
    #[error("{0} is given more than once; give it once")]
    Repeated(&'static str),
}

/// Keys that [`Query::parse`] knows.
pub(super) const FORMAT: &str = "format";
pub(super) const ENCODING: &str = "encoding";
pub(super) const VERSION: &str = "version";

/// The versions that UUIDs can be had in.
const VERSIONS: [(&str, Kind); 2] = [("4", Kind::Uuid4), ("7", Kind::Uuid7)];

impl Format {
    /// The forms that IDs can be had in; the first is the default.
    pub(super) const OF_IDS: [Self; 3] = [Self::Json, Self::Text, Self::Binary];

    const ALL: [(&'static str, Self); 3] = [
        ("json", Self::Json),
        ("text", Self::Text),
        ("binary", Self::Binary),
    ];

    const fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::Text => ("text", "plain"),
            Self::Binary => ("application", "octet-stream"),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, format)| *format)
    }
}

impl Query {
    /// Reads a query string of which the route knows the keys `known`.
    ///
    /// # Errors
    /// [`QueryError`] if a key or value is unknown, or a key comes twice.
    pub(super) fn parse(query: &str, known: &[&'static str]) -> Result<Self, QueryError> {
        let mut format = None;
        let mut encoding = None;
        let mut version = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match known.iter().find(|known| **known == key) {
                Some(&FORMAT) => {
                    let found = Format::named(value);
                    once(FORMAT, &mut format, found, value, &Format::ALL)?;
                }
                Some(&ENCODING) => {
                    let found = Encoding::named(value);
                    once(ENCODING, &mut encoding, found, value, &Encoding::ALL)?;
                }
                Some(&VERSION) => {
                    let found = VERSIONS.iter().find(|(name, _)| *name == value);
                    let found = found.map(|(_, kind)| *kind);
                    once(VERSION, &mut version, found, value, &VERSIONS)?;
                }
                _ => {
                    return Err(QueryError::Key {
                        key: shorten(key),
                        known: known.join(" or "),
                    });
                }
            }
        }
        Ok(Self {
            format,
            encoding: encoding.unwrap_or_default(),
            version,
        })
    }
}

/// Puts the meaning `found` for `value` into `place`, or says which values there are.
fn once<T>(
    key: &'static str,
    place: &mut Option<T>,
    found: Option<T>,
    value: &str,
    all: &[(&str, T)],
) -> Result<(), QueryError> {
    let Some(found) = found else {
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        return Err(QueryError::Value {
            key,
            value: shorten(value),
            known: names.join(" or "),
        });
    };
    if place.replace(found).is_some() {
        return Err(QueryError::Repeated(key));
    }
    Ok(())
}

/// The first 40 characters: long enough to recognise what was sent, short enough to send back.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The one of the offers that the Accept headers like best; the earlier one if they like two alike, and
/// the first, which is the default, if they like none: a reply in another form is of more use than none.
#[inline]
pub(super) fn preferred<const N: usize>(request: &Head<'_>, offers: &[Format; N]) -> Format {
    const { assert!(N > 0) };
    // Most clients send one of these two.
    match request.accept {
        None => offers[0],
        Some(first) if first.as_bytes() == b"*/*" => offers[0],
        Some(_) => weighed(request.headers, offers),
    }
}

fn weighed(headers: &HeaderMap, offers: &[Format]) -> Format {
    let values = headers.get_all(ACCEPT).iter();
    let ranges: Vec<Range<'_>> = values
        .flat_map(|value| unquoted(value.as_bytes(), b','))
        .filter_map(|range| Range::parse(str::from_utf8(range).ok()?))
        .collect();
    let mut best = offers[0];
    let mut best_quality = quality(best, &ranges);
    for offer in &offers[1..] {
        let quality = quality(*offer, &ranges);
        if quality > best_quality {
            best = *offer;
            best_quality = quality;
        }
    }
    best
}

/// One element of an Accept header.
#[derive(Debug, PartialEq, Eq)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths; 0 is "not this".
    quality: u16,
}

impl<'a> Range<'a> {
    /// Reads `type/subtype;q=0.5`; other parameters are ignored, and so is a malformed weight.
    /// `None` if it is not a media range.
    fn parse(text: &'a str) -> Option<Self> {
        let parts = unquoted(text.as_bytes(), b';');
        let mut parts = parts.filter_map(|part| Some(str::from_utf8(part).ok()?.trim()));
        let (kind, subtype) = match parts.next()? {
            // Java's own clients have sent this for decades.
            "*" => ("*", "*"),
            range => range.split_once('/')?,
        };
        let quality = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .and_then(|(_, value)| thousandths(value.trim()))
            .unwrap_or(1000);
        Some(Self {
            kind,
            subtype,
            quality,
        })
    }

    /// How narrowly the range names `format`: 2 for its very type, 0 for a wildcard.
    fn narrowness(&self, format: Format) -> Option<u8> {
        let (kind, subtype) = format.media_type();
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (range, "*") if range.eq_ignore_ascii_case(kind) => Some(1),
            (range, narrow)
                if range.eq_ignore_ascii_case(kind) && narrow.eq_ignore_ascii_case(subtype) =>
            {
                Some(2)
            }
            _ => None,
        }
    }
}

/// The parts of `text` between separators that do not stand in a quoted string.
fn unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |byte| {
        let escapes = is_quoted && *byte == b'\\' && !is_escaped;
        is_quoted ^= *byte == b'"' && !is_escaped;
        is_escaped = escapes;
        *byte == separator && !is_quoted
    })
}

/// Reads 0 to 1, also without the zero before the point. Decimals after the third are cut off, but what
/// is more than nothing stays so.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if text.len() < 2 && whole.is_empty() || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let some = decimals.bytes().any(|byte| byte != b'0');
    match whole {
        "0" | "" => {
            let first = format!("{decimals:0<3}")[..3].parse().unwrap_or(0);
            Some(first.max(u16::from(some)))
        }
        "1" if !some => Some(1000),
        _ => None,
    }
}

/// The quality of `format` by the narrowest range that fits it, in thousandths; 0 if none fits.
fn quality(format: Format, ranges: &[Range<'_>]) -> u16 {
    ranges
        .iter()
        .filter_map(|range| Some((range.narrowness(format)?, range.quality)))
        .max()
        .map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use hyper::{Method, Uri, Version};

    fn preferred<const N: usize>(headers: &HeaderMap, offers: &[Format; N]) -> Format {
        let uri = Uri::from_static("/");
        super::preferred(
            &Head::new(&Method::GET, &uri, Version::HTTP_11, headers),
            offers,
        )
    }

    fn prefer(values: &[&str]) -> Format {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        preferred(&headers, &Format::OF_IDS)
    }

    #[test]
    fn accept_is_weighed_as_http_has_it() {
        for (accept, expected) in [
            ("*/*", Format::Json),
            ("", Format::Json),
            ("text/plain", Format::Text),
            ("TEXT/Plain", Format::Text),
            ("text/*", Format::Text),
            ("application/*", Format::Json),
            ("application/octet-stream", Format::Binary),
            ("text/plain, application/json", Format::Json),
            ("application/json;q=0.5, text/plain;q=0.501", Format::Text),
            ("application/json;q=0, */*", Format::Text),
            (
                "application/json;q=0,text/plain;q=0,*/*;q=0.1",
                Format::Binary,
            ),
            ("*/*;q=0.1, application/*;q=0.2", Format::Json),
            ("text/plain;charset=utf-8 ; q=0.3", Format::Text),
            (
                r#"text/plain;x="a,b";q=0.1, application/json;q=0.5"#,
                Format::Json,
            ),
            (
                r#"application/json;x="a\",;q=1\\";q=0.1, text/plain;q=0.5"#,
                Format::Text,
            ),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Json),
            (
                "text/plain;q=0.05, application/octet-stream;q=0.1",
                Format::Binary,
            ),
        ] {
            assert_eq!(prefer(&[accept]), expected, "{accept}");
        }
        assert_eq!(prefer(&[]), Format::Json);
        assert_eq!(prefer(&["text/html", "text/plain"]), Format::Text);
    }

    #[test]
    fn what_nothing_fits_gets_the_default() {
        for accept in [
            "text/html",
            "image/*;q=0.5",
            "*/*;q=0",
            "*;q=0.0",
            "application/json;q=0.000",
            "application/json;q=0,text/plain;q=0,application/octet-stream;q=0",
            "nonsense",
            ",;,",
        ] {
            assert_eq!(prefer(&[accept]), Format::Json, "{accept}");
        }
        assert_eq!(
            preferred(&HeaderMap::new(), &[Format::Text, Format::Json]),
            Format::Text
        );
    }

    #[test]
    fn an_odd_weight_drops_no_range() {
        const JAVA: &str = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
        for (accept, expected) in [
            (JAVA, Format::Json),
            ("text/html, */*; q=.2", Format::Json),
            ("*", Format::Json),
            ("*;q=0.1, text/plain", Format::Text),
            ("application/json;q=.2, text/plain;q=.3", Format::Text),
            (
                "application/json;q=0.25, text/plain;q=0.2499999",
                Format::Json,
            ),
            ("application/json;q=0, text/plain;q=0.0001", Format::Text),
            ("application/json;q=0., text/plain;q=1.", Format::Text),
            // No weight is the highest one, and so is one that cannot be read.
            ("application/json;q=0.9, text/plain;q=2", Format::Text),
            ("application/json;q=0.9, text/plain;q=-1", Format::Text),
            ("application/json;q=0.9, text/plain;q=1.5", Format::Text),
            ("application/json;q=0.9, text/plain;q=high", Format::Text),
            ("application/json;q=0.9, text/plain;q=", Format::Text),
            ("application/json;q=0.9, text/plain;q=.", Format::Text),
            ("application/json;q=0.9, text/plain;q=\"1\"", Format::Text),
            ("application/json;q=0.9, text/plain;q", Format::Text),
            ("application/json;q=0.9, text/plain;Q = 1", Format::Text),
        ] {
            assert_eq!(prefer(&[accept]), expected, "{accept}");
        }
        let mut headers = HeaderMap::new();
        let latin = HeaderValue::from_bytes(b"image/\xe9, text/plain").unwrap();
        headers.insert(ACCEPT, latin);
        assert_eq!(preferred(&headers, &Format::OF_IDS), Format::Text);
    }

    #[test]
    fn a_tie_goes_to_the_first_offer() {
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json,text/plain"),
        );
        let offers = [Format::Text, Format::Json];
        assert_eq!(preferred(&headers, &offers), Format::Text);
    }

    #[test]
    fn queries_are_read_strictly() {
        let both = [FORMAT, ENCODING];
        let parse = |query| Query::parse(query, &both);
        assert_eq!(parse(""), Ok(Query::default()));
        assert_eq!(parse("&"), Ok(Query::default()));
        assert_eq!(
            parse("encoding=hex&format=binary"),
            Ok(Query {
                format: Some(Format::Binary),
                encoding: Encoding::Hex,
                version: None,
            })
        );
        assert_eq!(
            Query::parse("version=4", &[VERSION]).map(|query| query.version),
            Ok(Some(Kind::Uuid4))
        );
        for (query, expected) in [
            (
                "x=1",
                r#""x" is not a parameter of this route; use format or encoding"#,
            ),
            (
                "format=xml",
                r#"format is "xml"; use json or text or binary"#,
            ),
            ("format", r#"format is ""; use json or text or binary"#),
            (
                "format=JSON",
                r#"format is "JSON"; use json or text or binary"#,
            ),
            (
                "encoding=base64",
                r#"encoding is "base64"; use decimal or hex or base32"#,
            ),
            (
                "format=json&format=text",
                "format is given more than once; give it once",
            ),
        ] {
            assert_eq!(parse(query).unwrap_err().to_string(), expected);
        }
        let error = Query::parse("format=json", &[ENCODING]).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""format" is not a parameter of this route; use encoding"#
        );
    }
}
