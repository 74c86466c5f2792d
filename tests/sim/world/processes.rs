//! The processes of a machine. While one is in the middle of a step, between two of its calls on the
//! volume, the keeper of another one may make a step of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;
use shardflake::clock::Clock;
use shardflake::mark::MarkError;
use shardflake::time::{BootTime, TimeDelta};

use super::{CLONE, MILLI};
use crate::clock::{SimClock, some_time};
use crate::shard::Shard;

/// Two places for processes on the volume, and one for a process on a clone of it.
pub(super) const PLACES: usize = CLONE + 1;

#[derive(Clone)]
pub(super) struct Processes(Arc<Inner>);

struct Inner {
    places: [Mutex<Option<Shard>>; PLACES],
    /// Held by whoever lets another process step in between.
    luck: Mutex<Rng>,
    /// Why processes ended by themselves, other than well.
    ended: Mutex<Vec<(usize, MarkError)>>,
    /// Steps that were made in the middle of another process's step.
    between: AtomicU64,
}

impl Processes {
    pub(super) fn none() -> Self {
        Self(Arc::new(Inner {
            places: Default::default(),
            luck: Mutex::new(Rng::with_seed(0)),
            ended: Mutex::default(),
            between: AtomicU64::new(0),
        }))
    }

    /// What happens from now on has the luck of `seed`.
    pub(super) fn reseed(&self, seed: u64) {
        self.0.luck.lock().unwrap().seed(seed);
    }

    /// The process in `slot`.
    pub(super) fn at(&self, slot: usize) -> MutexGuard<'_, Option<Shard>> {
        self.0.places[slot].lock().unwrap()
    }

    /// Whether nothing in `slot` can still reach the volume.
    pub(super) fn has_ended(&self, slot: usize) -> bool {
        let place = self.at(slot);
        place.as_ref().is_none_or(|shard| shard.process.ended())
    }

    /// Does something with each process.
    pub(super) fn each(&self, mut work: impl FnMut(&mut Shard)) {
        for slot in 0..PLACES {
            if let Some(shard) = &mut *self.at(slot) {
                work(shard);
            }
        }
    }

    /// Whether nothing runs.
    pub(super) fn is_idle(&self) -> bool {
        (0..PLACES).all(|slot| self.at(slot).is_none())
    }

    /// All processes are gone at once.
    pub(super) fn clear(&self) {
        for slot in 0..PLACES {
            *self.at(slot) = None;
        }
    }

    /// What may happen in the middle of a step of the process in `slot`.
    pub(super) fn beside(&self, slot: usize, clock: SimClock) -> Box<dyn Fn() + Send + Sync> {
        let inner = Arc::downgrade(&self.0);
        Box::new(move || {
            if let Some(inner) = inner.upgrade() {
                inner.step_between(slot, clock.boottime());
            }
        })
    }

    /// One step of the keeper in `slot`.
    pub(super) fn step(&self, slot: usize, now: BootTime, luck: &mut Rng) {
        self.0.step(slot, &mut self.at(slot), now, luck);
    }

    /// Why processes ended by themselves since this was last asked.
    pub(super) fn ended(&self) -> Vec<(usize, MarkError)> {
        std::mem::take(&mut self.0.ended.lock().unwrap())
    }

    /// How many steps were made in the middle of another process's step.
    pub(super) fn between(&self) -> u64 {
        self.0.between.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn step(&self, slot: usize, place: &mut Option<Shard>, now: BootTime, luck: &mut Rng) {
        let Some(shard) = place else {
            return;
        };
        match shard.step() {
            Ok(park) => {
                shard.due = now + park;
                if !park.is_zero() {
                    shard.due = shard.due + some_time(luck, TimeDelta::ZERO..MILLI);
                }
            }
            Err(result) => {
                // What a killed process would have said nobody hears.
                if let Err(error) = result
                    && !shard.process.ended()
                {
                    self.ended.lock().unwrap().push((slot, error));
                }
                *place = None;
            }
        }
    }

    /// Perhaps a step of another process: a thread may go on whether it was woken or not.
    fn step_between(&self, slot: usize, now: BootTime) {
        let Ok(mut luck) = self.luck.try_lock() else {
            return;
        };
        if luck.u8(..4) > 0 {
            return;
        }
        let other = (slot + luck.usize(1..PLACES)) % PLACES;
        let Ok(mut place) = self.places[other].try_lock() else {
            return;
        };
        let goes_on = |shard: &Shard| shard.thaw.is_none() && !shard.process.ended();
        if place.as_ref().is_some_and(goes_on) {
            self.between.fetch_add(1, Ordering::Relaxed);
            self.step(other, &mut place, now, &mut luck);
        }
    }
}
