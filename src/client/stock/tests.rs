#![expect(unsafe_code, reason = "a process is forked")]

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn range(first: u64, count: u32) -> Range {
    Range {
        first,
        step: 1,
        jump: 0,
        inverse: 0,
        count,
    }
}

fn stock(buffer: u32) -> Stock {
    Stock::new(buffer, HOUR)
}

/// Delivers `count` IDs from `first` on, asked for now.
fn deliver(stock: &Stock, first: u64, count: u32) {
    stock.deliver(&[range(first, count)], stock.clock.now());
}

/// What is wanted now, if anything.
fn wanted(stock: &Stock) -> Option<u32> {
    stock.wanted(&mut stock.lock(), stock.clock.now())
}

fn next(stock: &Stock) -> Option<u64> {
    stock.take().or_else(|| stock.take_locked())
}

/// What `look` says in a child that is forked off. It must not allocate, nor take a lock.
pub(crate) fn in_a_child(look: impl Fn() -> bool) -> bool {
    // SAFETY: the child does nothing but look and end.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let status = i32::from(!look());
            // SAFETY: ends the process at once, without what the parent's threads would have to do.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None).unwrap();
            status == WaitStatus::Exited(child, 0)
        }
    }
}

/// A stock with a thread that waits in it.
fn with_waiters<T: Send>(
    stock: &Stock,
    count: usize,
    until: Option<Instant>,
    then: impl FnOnce() -> T,
) -> (Vec<Option<u64>>, T) {
    thread::scope(|scope| {
        let mut waiting = Vec::new();
        for place in 0..count {
            waiting.push(scope.spawn(move || stock.wait(until)));
            while stock.lock().queue.len() <= place {
                thread::yield_now();
            }
        }
        let result = then();
        let ids = waiting.into_iter().map(|waiter| waiter.join().unwrap());
        (ids.collect(), result)
    })
}

#[test]
fn both_buffers_are_filled_and_the_second_is_begun_before_more_is_asked_for() {
    let stock = stock(3);
    assert_eq!(wanted(&stock), Some(3));
    deliver(&stock, 10, 3);
    assert_eq!(wanted(&stock), Some(3));
    deliver(&stock, 20, 3);
    assert_eq!(wanted(&stock), None);
    for id in [10, 11, 12] {
        assert_eq!(next(&stock), Some(id));
        assert_eq!(stock.buffered() > 3, id < 12);
    }
    assert_eq!(wanted(&stock), Some(3));
    assert_eq!(next(&stock), Some(20));
    deliver(&stock, 30, 3);
    let rest: Vec<_> = std::iter::from_fn(|| next(&stock)).collect();
    assert_eq!(rest, [21, 22, 30, 31, 32]);
}

#[test]
fn nothing_is_asked_for_anew_that_grew_old_while_nobody_used_it() {
    let stock = stock(3);
    // A server that takes more than half of the age, so that there never are two buffers at a time.
    let slowly = || {
        assert_eq!(wanted(&stock), Some(3));
        let sent = stock.clock.now();
        stock.clock.forward(HOUR * 2 / 3);
        stock.deliver(&[range(sent, 3)], sent);
    };
    for _ in 0..3 {
        slowly();
        slowly();
        assert_eq!(wanted(&stock), None);
        assert!(next(&stock).is_some());
    }
}

#[test]
fn the_ranges_of_a_reply_are_handed_out_in_their_order() {
    let stock = stock(3);
    deliver(&stock, 5, 1);
    let ranges = [range(10, 2), range(20, 1), range(30, 2)];
    stock.deliver(&ranges, stock.clock.now());
    let ids: Vec<_> = std::iter::from_fn(|| next(&stock)).collect();
    assert_eq!(ids, [5, 10, 11, 20, 30, 31]);
}

#[test]
fn what_is_left_is_handed_out_while_nothing_comes() {
    let stock = stock(50);
    deliver(&stock, 0, 50);
    deliver(&stock, 100, 50);
    // Nobody delivers: whoever had to wait would wait for ever.
    for id in (0..50).chain(100..150) {
        assert_eq!(next(&stock), Some(id));
    }
    assert_eq!(next(&stock), None);
}

#[test]
fn nobody_is_asked_for_ids_that_nobody_uses() {
    let stock = stock(3);
    deliver(&stock, 10, 3);
    deliver(&stock, 20, 3);
    assert_eq!(wanted(&stock), None);
    stock.clock.forward(HOUR);
    assert_eq!((stock.buffered(), wanted(&stock)), (0, None));
    assert_eq!(next(&stock), None);
    assert_eq!(wanted(&stock), Some(3));
}

#[test]
fn what_is_used_is_renewed_at_half_its_age() {
    let stock = stock(3);
    deliver(&stock, 10, 3);
    deliver(&stock, 20, 3);
    stock.clock.forward(HOUR / 2);
    assert_eq!(wanted(&stock), None);
    assert_eq!(next(&stock), Some(10));
    assert_eq!(wanted(&stock), Some(3));
    deliver(&stock, 30, 3);
    assert_eq!(wanted(&stock), None);
    stock.clock.forward(HOUR / 2);
    assert_eq!(next(&stock), Some(30));
}

#[test]
fn old_ids_are_never_handed_out() {
    let stock = stock(3);
    deliver(&stock, 10, 3);
    // As much before its time as the clock may be late.
    stock.clock.forward(HOUR.saturating_sub(COARSE));
    assert_eq!((stock.take(), stock.take_locked()), (None, None));
    assert_eq!(stock.buffered(), 0);
    deliver(&stock, 20, 1);
    assert_eq!(stock.take(), Some(20));
}

#[test]
fn old_ids_are_not_kept_while_nobody_asks() {
    let stock = stock(3);
    for first in [10, 20, 30] {
        deliver(&stock, first, 3);
        stock.clock.forward(HOUR);
    }
    deliver(&stock, 40, 3);
    assert_eq!(stock.lock().lots.len(), 0);
    assert_eq!(stock.take(), Some(40));
}

#[test]
fn a_forked_child_gets_nothing_and_takes_no_lock() {
    let stock = stock(3);
    deliver(&stock, 10, 3);
    // As when another thread of the parent has it at that moment.
    let lock = stock.lock();
    assert!(in_a_child(|| stock.has_forked()));
    assert!(in_a_child(|| stock.take().is_none()));
    assert!(in_a_child(|| stock.take_locked().is_none()));
    assert!(in_a_child(|| stock.buffered() == 0));
    assert!(in_a_child(|| {
        stock.close();
        true
    }));
    drop(lock);
    assert!(!stock.has_forked());
    let ids: Vec<_> = std::iter::from_fn(|| next(&stock)).collect();
    assert_eq!(ids, [10, 11, 12]);
}

#[test]
fn what_follows_has_its_own_time() {
    let stock = stock(3);
    deliver(&stock, 10, 2);
    stock.clock.forward(HOUR / 2);
    deliver(&stock, 20, 1);
    assert_eq!(stock.take(), Some(10));
    stock.clock.forward(HOUR / 2);
    assert_eq!(stock.buffered(), 1);
    assert_eq!((stock.take(), stock.take_locked()), (None, Some(20)));
}

#[test]
fn a_maximum_age_that_the_clock_cannot_tell_is_none() {
    let stock = Stock::new(3, COARSE);
    deliver(&stock, 10, 3);
    assert_eq!((next(&stock), stock.buffered()), (None, 0));
}

#[test]
fn the_time_counts_from_before_the_request() {
    let stock = stock(3);
    let sent = stock.clock.now();
    stock.clock.forward(HOUR / 2);
    stock.deliver(&[range(10, 3)], sent);
    assert_eq!(next(&stock), Some(10));
    stock.clock.forward(HOUR / 2);
    assert_eq!(stock.take_locked(), None);
}

#[test]
fn who_waits_is_served_first_and_in_order() {
    let stock = stock(2);
    let (ids, later) = with_waiters(&stock, 3, None, || {
        assert_eq!(wanted(&stock), Some(5));
        deliver(&stock, 10, 2);
        assert_eq!(wanted(&stock), Some(3));
        assert_eq!(stock.take(), None);
        deliver(&stock, 20, 3);
        next(&stock)
    });
    assert_eq!(ids, [Some(10), Some(11), Some(20)]);
    assert_eq!(later, Some(21));
}

#[test]
fn a_request_is_never_for_more_than_servers_give_whole() {
    let stock = stock(MOST);
    let (_, wanted) = with_waiters(&stock, 2, None, || {
        let wanted = wanted(&stock);
        deliver(&stock, 10, 2);
        wanted
    });
    assert_eq!(wanted, Some(MOST));
}

#[test]
fn ids_that_come_too_late_are_for_those_who_came_before() {
    let stock = stock(3);
    let sent = stock.clock.now();
    assert_eq!(stock.order(), Some(3));
    let (ids, ()) = with_waiters(&stock, 1, None, || {
        stock.clock.forward(HOUR);
        // It came after these were ordered, and so they are too old for it.
        stock.deliver(&[range(10, 3)], sent);
        assert_eq!(stock.lock().queue.len(), 1);
        assert_eq!(stock.order(), Some(4));
        let sent = stock.clock.now();
        stock.clock.forward(HOUR);
        stock.deliver(&[range(20, 3)], sent);
    });
    assert_eq!(ids, [Some(20)]);
    assert_eq!((next(&stock), stock.buffered()), (None, 0));
}

#[test]
fn late_ids_are_not_asked_for_again_without_need() {
    let stock = stock(3);
    let sent = stock.clock.now();
    stock.clock.forward(HOUR);
    stock.deliver(&[range(10, 3)], sent);
    assert_eq!(wanted(&stock), None);
}

#[test]
fn who_gives_up_leaves_the_queue() {
    let stock = stock(3);
    assert_eq!(stock.wait(Some(Instant::now())), None);
    assert_eq!(stock.lock().queue.len(), 0);
    deliver(&stock, 10, 1);
    assert_eq!(next(&stock), Some(10));
}

#[test]
fn the_refiller_wakes_when_ids_are_wanted_and_at_the_end() {
    let stock = stock(2);
    deliver(&stock, 10, 2);
    deliver(&stock, 20, 2);
    thread::scope(|scope| {
        let order = scope.spawn(|| stock.order());
        while !stock.lock().refiller_waits {
            thread::yield_now();
        }
        assert_eq!(
            [next(&stock), next(&stock), next(&stock)],
            [Some(10), Some(11), Some(20)]
        );
        assert_eq!(order.join().unwrap(), Some(2));
        deliver(&stock, 30, 2);
        let end = scope.spawn(|| stock.order());
        stock.close();
        assert_eq!(end.join().unwrap(), None);
        assert!(!stock.pause(Instant::now() + HOUR));
    });
}

/// More threads than IDs at hand, and a delivery whenever some are wanted: each gets its own, in its order.
#[test]
fn many_threads_share_a_small_buffer() {
    const THREADS: usize = 32;
    const EACH: usize = 500;
    let stock = stock(10);
    let mut ids: Vec<u64> = thread::scope(|scope| {
        scope.spawn(|| {
            let mut first = 0;
            while let Some(count) = stock.order() {
                deliver(&stock, first, count);
                first += u64::from(count);
            }
        });
        let takers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let ids: Vec<_> = (0..EACH)
                        .map(|_| next(&stock).or_else(|| stock.wait(None)).unwrap())
                        .collect();
                    assert!(ids.is_sorted());
                    ids
                })
            })
            .collect();
        let ids = takers.into_iter().flat_map(|taker| taker.join().unwrap());
        let ids = ids.collect();
        stock.close();
        ids
    });
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), THREADS * EACH);
}
