//! `/metrics`.

use crate::http::App;
use crate::http::response::Answer;
use crate::metrics;

/// Everything that is counted.
pub(in crate::http) fn metrics(app: &App) -> Answer {
    Answer::metrics(metrics::render(
        app.issuer(),
        &app.metrics,
        app.replies.profile,
    ))
}
