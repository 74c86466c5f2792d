//! Cutting a failing history down to what makes it fail.

use crate::plan::Plan;
use crate::world;

/// The kind of violation by which a history fails: what is said of it without its numbers.
fn kind(plan: &Plan) -> Option<String> {
    let outcome = world::run(plan);
    let violation = outcome.fails().then_some(outcome.violation)??;
    Some(violation.replace(|letter: char| letter.is_ascii_digit(), ""))
}

/// The shortest history found that still violates the same kind of thing, by leaving out steps.
pub(crate) fn shortest(plan: &Plan) -> Plan {
    let mut best = plan.clone();
    let wanted = kind(plan);
    let mut chunk = best.steps.len() / 2;
    while chunk > 0 {
        let mut at = 0;
        let mut cut = false;
        while at < best.steps.len() {
            let mut shorter = best.clone();
            let end = (at + chunk).min(shorter.steps.len());
            shorter.steps.drain(at..end);
            if kind(&shorter) == wanted {
                best = shorter;
                cut = true;
            } else {
                at += chunk;
            }
        }
        if !cut {
            chunk /= 2;
        }
    }
    best
}

/// A failing history, to be read and to be run again.
pub(crate) fn report(plan: &Plan) -> String {
    let short = shortest(plan);
    let steps: Vec<String> = short
        .steps
        .iter()
        .map(|step| format!("  {:?}", step.op))
        .collect();
    let violation = world::run(&short).violation.unwrap_or_default();
    format!(
        "seed {} ({}): {violation}\n{}\nreplay: scripts/sim --seed {}",
        plan.seed,
        if plan.snowflake {
            "snowflake"
        } else {
            "sonyflake"
        },
        steps.join("\n"),
        plan.seed,
    )
}
