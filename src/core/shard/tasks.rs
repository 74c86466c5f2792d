//! IDs of a shard for tasks, in a Tokio runtime that has timers.

use super::{IdError, Shard};
use crate::id::Id;

impl Shard {
    /// [`Shard::id`] for a task.
    ///
    /// # Errors
    /// As there.
    pub async fn id_async(&self) -> Result<Id, IdError> {
        self.check_fork()?;
        if let Some(issued) = self.issuer.try_issue() {
            return Ok(issued.id());
        }
        let issued = self.issuer.issue().await;
        let issued = issued.map_err(|refusal| self.refused(refusal))?;
        Ok(issued.id())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::tests::{leave_mark, opening};
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn tasks_get_ids_too() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        let first = shard.id_async().await.unwrap();
        let count = NonZeroU32::new(5000).unwrap();
        let (mut runs, mut length) = (shard.ids(count), 0);
        while let Some(run) = runs.next_async().await {
            length += run.unwrap().count();
        }
        assert_eq!(length, 5000);
        assert!(shard.id_async().await.unwrap() > first);
        shard.close().unwrap();
    }
}
