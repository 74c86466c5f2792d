//! The IDs at hand, and those who wait for more.
//!
//! Calls take from the [`Counter`], without a lock. Where that has nothing, they lock the state, and put the
//! next range in its place; if there is none they queue up, and are given IDs in their order as soon as some
//! come. While anybody queues there are no IDs at hand: a call cannot overtake them.
//!
//! One thread serves the stock: the refiller asks servers for what [`Stock::order`] says. IDs whose time is over
//! are dropped by the call that comes upon them.
//!
//! Nothing of it is touched in a forked child, which has the same IDs as its parent, no refiller, and maybe
//! a lock that a thread of the parent held.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use shardflake::syscall::WipedAtFork;

use crate::counter::Counter;
use crate::range::{MOST, Range};
use crate::time::{COARSE, Clock, Nanos, nanos};

const MILLISECOND: Nanos = 1_000_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stock {
    counter: Counter,
    pub(crate) clock: Clock,
    /// None where the kernel cannot wipe a page at a fork (before Linux 4.14): no fork is seen there.
    forks: Option<WipedAtFork>,
    state: Mutex<State>,
    refill: Condvar,
    buffer: u32,
    max_age: Nanos,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact by itself, in any combination"
)]
struct State {
    /// When what the counter shows is too old.
    expires: Nanos,
    /// What comes after that.
    lots: VecDeque<Lot>,
    queue: VecDeque<Arc<Waiter>>,
    /// When the newest IDs were asked for; 0 before any came.
    newest: Nanos,
    /// Whether both buffers are being filled.
    filling: bool,
    /// Whether anybody asked for an ID since the last delivery.
    used: bool,
    /// The counter's word when that was told last.
    word: u64,
    /// How many orders were given.
    orders: u64,
    closed: bool,
    /// Whether the refiller waits to be told. To tell it takes a system call.
    refiller_waits: bool,
}

/// A range, from an index on.
#[derive(Debug)]
struct Lot {
    range: Range,
    from: u32,
    expires: Nanos,
}

/// A call that waits for an ID.
#[derive(Debug)]
struct Waiter {
    /// How many orders had been given when it came.
    orders: u64,
    thread: Thread,
    id: OnceLock<u64>,
}

impl Stock {
    /// An empty one, that is to be filled.
    pub(crate) fn new(buffer: u32, max_age: Duration) -> Self {
        Self {
            counter: Counter::new(),
            clock: Clock::new(),
            forks: WipedAtFork::new().ok(),
            state: Mutex::new(State {
                expires: 0,
                lots: VecDeque::new(),
                queue: VecDeque::new(),
                newest: 0,
                filling: true,
                used: false,
                word: 0,
                orders: 0,
                closed: false,
                refiller_waits: false,
            }),
            refill: Condvar::new(),
            buffer,
            max_age: nanos(max_age),
        }
    }

    /// Whether this is a forked child of the process that made it.
    #[inline]
    pub(crate) fn has_forked(&self) -> bool {
        self.forks.as_ref().is_some_and(WipedAtFork::is_wiped)
    }

    /// An ID, if that takes no lock.
    #[inline]
    pub(crate) fn take(&self) -> Option<u64> {
        if self.has_forked() {
            return None;
        }
        self.counter.take(&self.clock)
    }

    /// An ID, if there is one.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_locked(&self) -> Option<u64> {
        if self.has_forked() {
            return None;
        }
        self.take_from(&mut self.lock())
    }

    /// An ID, as soon as there is one: in vain if none comes until then. Not for a forked child.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Option<u64> {
        let waiter = {
            let mut state = self.lock();
            if let Some(id) = self.take_from(&mut state) {
                return Some(id);
            }
            let waiter = Arc::new(Waiter {
                orders: state.orders,
                thread: thread::current(),
                id: OnceLock::new(),
            });
            state.queue.push_back(Arc::clone(&waiter));
            waiter
        };
        loop {
            if let Some(id) = waiter.id.get() {
                return Some(*id);
            }
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => break,
                Some(left) => thread::park_timeout(left),
            }
        }
        let mut state = self.lock();
        state.queue.retain(|queued| !Arc::ptr_eq(queued, &waiter));
        // One may have come until the lock was had.
        waiter.id.get().copied()
    }

    /// How many IDs are at hand.
    pub(crate) fn buffered(&self) -> usize {
        if self.has_forked() {
            return 0;
        }
        let (state, now) = (self.lock(), self.clock.now());
        usize::try_from(self.at_hand(&state, now)).unwrap_or(usize::MAX)
    }

    /// Ends the refiller.
    pub(crate) fn close(&self) {
        if self.has_forked() {
            return;
        }
        self.lock().closed = true;
        self.refill.notify_all();
    }

    /// How many IDs to ask for, as soon as some are wanted; `None` at the end.
    pub(crate) fn order(&self) -> Option<u32> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(count) = self.wanted(&mut state, self.clock.now()) {
                state.orders += 1;
                return Some(count);
            }
            state.refiller_waits = true;
            // Calls that take no lock tell nobody that their IDs will be needed anew, so that has to be
            // looked for. With nothing at hand, all calls take the lock.
            state = if self.at_hand(&state, self.clock.now()) > 0 {
                let look = Duration::from_nanos((self.max_age / 4).max(MILLISECOND));
                let waited = self.refill.wait_timeout(state, look);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                let waited = self.refill.wait(state);
                waited.unwrap_or_else(PoisonError::into_inner)
            };
            state.refiller_waits = false;
        }
    }

    /// Waits until then: no server is to be asked before. False at the end.
    pub(crate) fn pause(&self, until: Instant) -> bool {
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return !state.closed;
            }
            let waited = self.refill.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes in IDs of the last order, that were asked for at the time `sent`.
    pub(crate) fn deliver(&self, ranges: &[Range], sent: Nanos) {
        // By then the clock may be late, and at `sent` it may have been exact.
        let expires = sent.saturating_add(self.max_age.saturating_sub(nanos(COARSE)));
        let mut served = Vec::new();
        {
            let (mut state, now) = (self.lock(), self.clock.now());
            let is_fresh = now < expires;
            for range in ranges {
                let from = state.serve(range, is_fresh, &mut served);
                if is_fresh && from < range.count {
                    state.lots.push_back(Lot {
                        range: *range,
                        from,
                        expires,
                    });
                }
            }
            self.note_use(&mut state);
            // Two deliveries are both buffers. What nobody used between them is not asked for anew, however much of
            // it a slow server let grow too old.
            state.filling &= state.used || state.newest == 0;
            state.newest = sent;
            state.used = false;
            // What comes too late for everybody would be asked for again and again.
            state.filling &= is_fresh;
            if self.counter.left() == 0 || now >= state.expires {
                self.show_next(&mut state, now);
            }
        }
        for waiter in served {
            waiter.thread.unpark();
        }
    }

    /// The next ID at hand. If few are left, or none, the refiller is told.
    fn take_from(&self, state: &mut State) -> Option<u64> {
        let now = self.clock.now();
        state.used = true;
        let id = loop {
            if now < state.expires
                && let Some(id) = self.counter.take(&self.clock)
            {
                break Some(id);
            }
            if !self.show_next(state, now) {
                break None;
            }
        };
        if state.refiller_waits && (id.is_none() || self.at_hand(state, now) < self.buffer.into()) {
            state.refiller_waits = false;
            self.refill.notify_one();
        }
        id
    }

    /// Puts the next range that is young enough into the counter; false if there is none.
    fn show_next(&self, state: &mut State, now: Nanos) -> bool {
        self.note_use(state);
        let next = loop {
            match state.lots.pop_front() {
                Some(lot) if lot.expires <= now => {}
                other => break other,
            }
        };
        match &next {
            Some(lot) => {
                self.counter.show(&lot.range, lot.from, lot.expires);
                state.expires = lot.expires;
            }
            None if state.expires > 0 => {
                self.counter.show(&Range::NONE, 0, 0);
                state.expires = 0;
            }
            None => {}
        }
        state.word = self.counter.word();
        next.is_some()
    }

    /// Learns whether any was taken without a lock.
    fn note_use(&self, state: &mut State) {
        let word = self.counter.word();
        state.used |= word != state.word;
        state.word = word;
    }

    /// How many IDs to ask for now.
    fn wanted(&self, state: &mut State, now: Nanos) -> Option<u32> {
        self.note_use(state);
        let at_hand = self.at_hand(state, now);
        if at_hand > self.buffer.into() {
            state.filling = false;
        } else if state.used {
            state.filling = true;
        }
        let is_aging = state.used && now.saturating_sub(state.newest) >= self.max_age / 2;
        let waiting = u32::try_from(state.queue.len()).unwrap_or(MOST);
        let is_wanted = state.filling || is_aging || waiting > 0;
        is_wanted.then(|| self.buffer.saturating_add(waiting).min(MOST))
    }

    fn at_hand(&self, state: &State, now: Nanos) -> u64 {
        let shown = if now < state.expires {
            self.counter.left()
        } else {
            0
        };
        let lots = state.lots.iter().filter(|lot| now < lot.expires);
        lots.map(|lot| u64::from(lot.range.count - lot.from))
            .sum::<u64>()
            + u64::from(shown)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives IDs of `range` to those who wait, and returns the index of the first that is left. IDs that are
    /// too old are given only to those who came before they were asked for: to them they are as new as any.
    /// Who came before tells the count of orders: the clock may say the same before and after.
    fn serve(&mut self, range: &Range, is_fresh: bool, served: &mut Vec<Arc<Waiter>>) -> u32 {
        let mut index = 0;
        while index < range.count
            && let Some(first) = self.queue.front()
            && (is_fresh || first.orders < self.orders)
            && let Some(waiter) = self.queue.pop_front()
        {
            // It is set once, by the only one who takes it off the queue.
            let _ = waiter.id.set(range.id(index));
            served.push(waiter);
            index += 1;
        }
        index
    }
}

#[cfg(test)]
pub(crate) mod tests;
