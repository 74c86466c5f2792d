//! IDs of a shard for tasks, in a Tokio runtime that has timers.

use std::num::NonZeroU32;

use super::{IdError, Shard};
use crate::id::Id;
use crate::id::generator::Run;
use crate::issuer::Bulk;

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

    /// [`Shard::ids`] for a task.
    ///
    /// # Errors
    /// As there.
    pub async fn ids_async(
        &self,
        count: NonZeroU32,
        mut take: impl FnMut(Run) + Send,
    ) -> Result<(), IdError> {
        self.check_fork()?;
        let mut bulk = Bulk::new(count);
        loop {
            let run = bulk.next(&self.issuer).await;
            match run.map_err(|refusal| self.refused(refusal))? {
                Some(run) => take(run),
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{leave_mark, opening};
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn tasks_get_ids_too() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        let first = shard.id_async().await.unwrap();
        let count = NonZeroU32::new(5000).unwrap();
        let mut length = 0;
        let take = |run: Run| length += run.count();
        shard.ids_async(count, take).await.unwrap();
        assert_eq!(length, 5000);
        assert!(shard.id_async().await.unwrap() > first);
        shard.close().unwrap();
    }
}
