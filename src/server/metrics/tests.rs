use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Samples by family, then by series: name, and labels in the order written.
type Families = BTreeMap<String, BTreeMap<String, f64>>;

/// Reads the text format, and fails on whatever the format forbids.
fn parse(text: &str) -> Families {
    assert!(text.ends_with('\n'));
    let mut families = Families::new();
    let mut kinds = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (family, help) = line
            .strip_prefix("# HELP ")
            .unwrap()
            .split_once(' ')
            .unwrap();
        assert!(!help.is_empty());
        let kind = lines.next().unwrap();
        let kind = kind.strip_prefix(&format!("# TYPE {family} ")).unwrap();
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
        assert_eq!(kind == "counter", family.ends_with("_total"), "{family}");
        assert!(kinds.insert(family.to_owned(), kind).is_none(), "{family}");
        let samples = families.entry(family.to_owned()).or_default();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            check_series(series, family, kind);
            let value = value.parse().unwrap();
            assert!(
                samples.insert(series.to_owned(), value).is_none(),
                "{series}"
            );
        }
        assert!(!samples.is_empty(), "{family}");
        if kind == "histogram" {
            check_histogram(samples, family);
        }
    }
    families
}

fn check_series(series: &str, family: &str, kind: &str) {
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let suffix = name.strip_prefix(family).unwrap();
    if kind == "histogram" {
        assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{series}");
    } else {
        assert_eq!(suffix, "", "{series}");
    }
    let labels = labels.strip_suffix('}').unwrap();
    let mut seen = BTreeSet::new();
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once('=').unwrap();
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{series}"
        );
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        assert!(!value.contains(['"', '\\', '\n']), "{series}");
        assert!(seen.insert(name), "{series}");
    }
}

/// Buckets grow with their bounds, and the last one equals the count.
fn check_histogram(samples: &BTreeMap<String, f64>, family: &str) {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (series, value) in samples {
        let Some(labels) = series.strip_prefix(&format!("{family}_bucket{{")) else {
            continue;
        };
        let (others, bound) = labels.split_once("le=\"").unwrap();
        let bound = bound.strip_suffix("\"}").unwrap().parse().unwrap();
        let others = others.trim_end_matches(',').to_owned();
        buckets.entry(others).or_default().push((bound, *value));
    }
    assert!(!buckets.is_empty(), "{family}");
    for (labels, mut bounds) in buckets {
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(bounds.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{labels}}}")
        };
        let (bound, all) = *bounds.last().unwrap();
        assert!(bound.is_infinite());
        assert!((samples[&format!("{family}_count{labels}")] - all).abs() < f64::EPSILON);
        assert!(samples[&format!("{family}_sum{labels}")] >= 0.0);
    }
}

#[test]
fn a_strict_parser_reads_what_http_counts() {
    let http = Http::new(["health", "decode"]);
    for (status, micros) in [(200, 40), (200, 70), (505, 3_000_000), (599, 0)] {
        http.answered(1, status, micros * 1000);
    }
    http.refused("saturated");
    http.refused("no such reason");
    http.connection_opened();
    http.connection_opened();
    http.connection_closed();
    let mut text = Text::default();
    served(&mut text, &http);
    let families = parse(&text.out);
    for (family, series, expected) in [
        (
            "http_requests_total",
            "{route=\"decode\",code=\"200\"}",
            2.0,
        ),
        (
            "http_requests_total",
            "{route=\"decode\",code=\"505\"}",
            1.0,
        ),
        (
            "http_requests_total",
            "{route=\"decode\",code=\"other\"}",
            1.0,
        ),
        (
            "http_requests_total",
            "{route=\"health\",code=\"200\"}",
            0.0,
        ),
        (
            "http_request_duration_seconds",
            "_bucket{route=\"decode\",le=\"0.00005\"}",
            2.0,
        ),
        (
            "http_request_duration_seconds",
            "_bucket{route=\"decode\",le=\"1\"}",
            3.0,
        ),
        (
            "http_request_duration_seconds",
            "_count{route=\"decode\"}",
            4.0,
        ),
        (
            "http_request_duration_seconds",
            "_sum{route=\"decode\"}",
            3.00011,
        ),
        ("http_connections", "", 1.0),
        ("refused_total", "{reason=\"saturated\"}", 1.0),
        ("refused_total", "{reason=\"other\"}", 1.0),
    ] {
        let family = format!("shardflake_{family}");
        let found = families[&family][&format!("{family}{series}")];
        assert!(
            (found - expected).abs() < 1e-9,
            "{family}{series} is {found}"
        );
    }
}
