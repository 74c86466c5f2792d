//! UUIDs of version 7 and ULIDs of a shard.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::{Busy, IdError, NO_RANDOM, Shard};
use crate::issuer::Refusal;
use crate::random;
use crate::wide::{Stamp, Ulid, Uuid};

const ONE: NonZeroU32 = NonZeroU32::MIN;

impl Shard {
    /// A new UUID of version 7, if that takes no waiting. It is larger than all that this shard has given, also
    /// before a `kill -9`, a restart, or a step of the clock. Never sleeps, never allocates. The clock is read as by
    /// [`Shard::try_id`].
    ///
    /// # Errors
    /// [`Busy`] tells when to ask again.
    #[inline]
    pub fn try_uuid7(&self) -> Result<Uuid, Busy> {
        let (stamp, random) = self.try_stamp()?;
        Ok(Uuid::v7(stamp, random))
    }

    /// A new ULID; as [`Shard::try_uuid7`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_ulid(&self) -> Result<Ulid, Busy> {
        let (stamp, random) = self.try_stamp()?;
        Ok(Ulid::new(stamp, random))
    }

    /// A new UUID of version 7; the thread sleeps until its millisecond begins, for as long as
    /// [`Settings::deadline`](crate::issuer::Settings::deadline) says.
    ///
    /// # Errors
    /// [`IdError`] says why there is none.
    pub fn uuid7(&self) -> Result<Uuid, IdError> {
        let (stamp, random) = self.stamp()?;
        Ok(Uuid::v7(stamp, random))
    }

    /// A new ULID; as [`Shard::uuid7`].
    ///
    /// # Errors
    /// As there.
    pub fn ulid(&self) -> Result<Ulid, IdError> {
        let (stamp, random) = self.stamp()?;
        Ok(Ulid::new(stamp, random))
    }

    /// [`Shard::uuid7`] for a task.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "async")]
    pub async fn uuid7_async(&self) -> Result<Uuid, IdError> {
        let (stamp, random) = self.stamp_async().await?;
        Ok(Uuid::v7(stamp, random))
    }

    /// [`Shard::ulid`] for a task.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "async")]
    pub async fn ulid_async(&self) -> Result<Ulid, IdError> {
        let (stamp, random) = self.stamp_async().await?;
        Ok(Ulid::new(stamp, random))
    }

    #[inline]
    fn try_stamp<const RANDOM: usize>(&self) -> Result<(Stamp, [u8; RANDOM]), Busy> {
        if self.forks.has_forked() {
            return Err(super::Forks::busy());
        }
        // First, so that no stamp is spent in vain.
        let random = random::few().map_err(|_| Busy {
            code: NO_RANDOM,
            retry_at: Instant::now() + Duration::from_secs(1),
        })?;
        match self.issuer.try_stamp() {
            Some(stamp) => Ok((stamp, random)),
            None => Err(self.issuer.busy_stamps()),
        }
    }

    fn stamp<const RANDOM: usize>(&self) -> Result<(Stamp, [u8; RANDOM]), IdError> {
        let random = self.random()?;
        let stamp = match self.issuer.try_stamp() {
            Some(stamp) => Some(stamp),
            None => self.first(self.issuer.stamps_blocking(ONE))?,
        };
        stamp.map(|stamp| (stamp, random)).ok_or(IdError::Ended)
    }

    #[cfg(feature = "async")]
    async fn stamp_async<const RANDOM: usize>(&self) -> Result<(Stamp, [u8; RANDOM]), IdError> {
        let random = self.random()?;
        let stamp = match self.issuer.try_stamp() {
            Some(stamp) => Some(stamp),
            None => self.first(self.issuer.stamps(ONE).await)?,
        };
        stamp.map(|stamp| (stamp, random)).ok_or(IdError::Ended)
    }

    fn first(
        &self,
        run: Result<impl Iterator<Item = Stamp>, Refusal>,
    ) -> Result<Option<Stamp>, IdError> {
        let mut run = run.map_err(|refusal| self.refused(refusal))?;
        Ok(run.next())
    }

    fn random<const RANDOM: usize>(&self) -> Result<[u8; RANDOM], IdError> {
        self.check_fork()?;
        random::few().map_err(|error| IdError::NoRandom(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::tests::{PATIENCE, leave_mark, leave_mark_of, opening, opening_of};
    use super::*;
    use crate::syscall::tests::in_a_child;

    /// What is unique about a UUID, whatever its random bits.
    fn stamp(uuid: Uuid) -> Stamp {
        uuid.parts().unwrap().stamp
    }

    #[test]
    fn uuids_and_ulids_of_a_shard_increase_together() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        shard.await_ready(PATIENCE).unwrap();
        let mut last = stamp(shard.uuid7().unwrap());
        for _ in 0..1000 {
            for next in [
                stamp(shard.uuid7().unwrap()),
                shard.ulid().unwrap().parts().stamp,
                stamp(shard.try_uuid7().unwrap()),
                shard.try_ulid().unwrap().parts().stamp,
            ] {
                assert!(next > last, "{last:?} {next:?}");
                assert_eq!(next.machine, 1);
                last = next;
            }
        }
        shard.close().unwrap();
    }

    #[test]
    fn they_increase_over_a_clean_end_and_its_start() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let mut last = None;
        for _ in 0..20 {
            let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
            shard.await_ready(PATIENCE).unwrap();
            // Of IDs there are none, so that the exact mark is that of the stamps.
            let next = Some(stamp(shard.uuid7().unwrap()));
            assert!(next > last, "{last:?} {next:?}");
            last = next;
            shard.close().unwrap();
        }
    }

    #[test]
    fn eight_shards_never_collide_though_no_bit_is_random() {
        let state = tempfile::tempdir().unwrap();
        let machines: Vec<String> = (0..8).map(|machine| machine.to_string()).collect();
        for machine in &machines {
            leave_mark_of(machine, state.path());
        }
        let openings = machines
            .iter()
            .map(|machine| opening_of(machine, state.path()));
        let shards: Vec<Shard> = openings
            .map(|opening| Shard::open_with(opening, |_| {}).unwrap())
            .collect();
        for shard in &shards {
            shard.await_ready(PATIENCE).unwrap();
        }
        // As if each had given its first at one moment, its second at another, and so on.
        let at_one_time = |shard: &Shard| {
            let given = (0..1000).map(|counter| Stamp {
                unix_ms: 0,
                counter,
                ..stamp(shard.uuid7().unwrap())
            });
            given.collect::<Vec<Stamp>>()
        };
        let stamps: Vec<Stamp> = shards.iter().flat_map(at_one_time).collect();
        let all: HashSet<Uuid> = stamps.iter().map(|s| Uuid::v7(*s, [0; 4])).collect();
        assert_eq!(all.len(), 8_000);
        let all: HashSet<Ulid> = stamps.iter().map(|s| Ulid::new(*s, [0; 5])).collect();
        assert_eq!(all.len(), 8_000);
    }

    #[test]
    fn a_forked_child_gets_none() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        shard.await_ready(PATIENCE).unwrap();
        assert!(in_a_child(|| shard.uuid7() == Err(IdError::Forked)));
        let is_refused = || shard.try_ulid().is_err_and(|busy| busy.code == "forked");
        assert!(in_a_child(is_refused));
        assert!(!is_refused());
    }
}
