//! Many IDs of a shard, described in runs.

use std::num::NonZeroU32;

use super::{IdError, Shard};
use crate::id::generator::Run;
use crate::issuer::Bulk;

/// Many new IDs, a [`Run`] for each tick, as the ticks come. Those that are not asked for any more are never
/// issued.
pub struct Runs<'a> {
    shard: &'a Shard,
    bulk: Bulk,
    /// Nothing comes after an error.
    failed: bool,
}

impl<'a> Runs<'a> {
    pub(super) const fn new(shard: &'a Shard, count: NonZeroU32) -> Self {
        Self {
            shard,
            bulk: Bulk::new(count),
            failed: false,
        }
    }

    /// As [`Iterator::next`], but it is a task that sleeps, in a Tokio runtime that has timers.
    #[cfg(feature = "async")]
    pub async fn next_async(&mut self) -> Option<Result<Run, IdError>> {
        if let Some(end) = self.end() {
            return end;
        }
        let run = self.bulk.next(&self.shard.issuer).await;
        let run = run.map_err(|refusal| self.shard.refused(refusal));
        self.result(run)
    }

    /// The result if there is nothing to wait for.
    #[expect(
        clippy::option_option,
        reason = "whether it is known, and whether there is another run"
    )]
    fn end(&mut self) -> Option<Option<Result<Run, IdError>>> {
        if self.failed {
            return Some(None);
        }
        let forked = self.shard.check_fork().err()?;
        Some(self.result(Err(forked)))
    }

    fn result(&mut self, run: Result<Option<Run>, IdError>) -> Option<Result<Run, IdError>> {
        self.failed = run.is_err();
        run.transpose()
    }
}

/// The thread sleeps until the tick of the next run begins. The last item is an error if there is one.
impl Iterator for Runs<'_> {
    type Item = Result<Run, IdError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(end) = self.end() {
            return end;
        }
        let run = self.bulk.next_blocking(&self.shard.issuer);
        let run = run.map_err(|refusal| self.shard.refused(refusal));
        self.result(run)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::tests::{PATIENCE, leave_mark, opening};
    use super::*;
    use crate::syscall::tests::in_a_child;

    fn count(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn runs_have_as_many_ids_as_were_asked_for_in_order() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        shard.await_ready(PATIENCE).unwrap();
        let runs: Vec<Run> = shard.ids(count(10_000)).map(Result::unwrap).collect();
        let ids: Vec<u64> = runs.iter().flat_map(Run::ids).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.is_sorted_by(|a, b| a < b) && runs.len() > 1);
        assert!(shard.id().unwrap().as_u64() > ids[9_999]);
    }

    #[test]
    fn an_error_is_the_last_that_comes() {
        let state = tempfile::tempdir().unwrap();
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        shard.issuer.stop();
        let mut runs = shard.ids(count(7));
        assert!(runs.next().unwrap().is_err());
        assert!(runs.next().is_none());
    }

    #[test]
    fn a_forked_child_gets_none() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        shard.await_ready(PATIENCE).unwrap();
        let is_forked = || matches!(shard.ids(count(1)).next(), Some(Err(IdError::Forked)));
        assert!(in_a_child(is_forked));
        assert!(!is_forked());
    }
}
