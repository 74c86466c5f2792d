//! Forked processes: the child has the parent's memory, so that its shard would issue the parent's IDs.

use std::time::{Duration, Instant};

use crate::issuer::Busy;
use crate::syscall::WipedAtFork;

/// Whether this process is still the one that opened the shard.
pub(super) struct Forks(Option<WipedAtFork>);

impl Forks {
    /// The code of an ID that is refused for a fork.
    pub(super) const CODE: &str = "forked";

    /// From now on. Where the kernel cannot wipe a page at a fork (before Linux 4.14) no fork is seen.
    pub(super) fn watch() -> Self {
        Self(WipedAtFork::new().ok())
    }

    /// Whether this is a child of the process that opened the shard.
    #[inline]
    pub(super) fn has_forked(&self) -> bool {
        self.0.as_ref().is_some_and(WipedAtFork::is_wiped)
    }

    /// It never passes.
    pub(super) fn busy() -> Busy {
        Busy {
            code: Self::CODE,
            retry_at: Instant::now() + Duration::from_secs(3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::shard::tests::opening;
    use crate::shard::{CloseError, IdError, Shard};
    use crate::syscall::tests::in_a_child;

    #[test]
    fn a_forked_child_gets_no_id_and_its_parent_goes_on() {
        let state = tempfile::tempdir().unwrap();
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        let is_refused = || shard.try_id().is_err_and(|busy| busy.code == "forked");
        assert!(in_a_child(is_refused));
        assert!(in_a_child(|| shard.id() == Err(IdError::Forked)));
        // Nor does it wait for the parent's thread, of which it has none.
        let closed = std::cell::Cell::new(Some(shard));
        assert!(in_a_child(|| matches!(
            closed.take().map(Shard::close),
            Some(Err(CloseError::Forked))
        )));
        let shard = closed.into_inner().unwrap();
        let is_refused = || shard.try_id().is_err_and(|busy| busy.code == "forked");
        assert!(!is_refused());
        assert_eq!(IdError::Forked.code(), "forked");
    }
}
