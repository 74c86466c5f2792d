//! Which server to ask.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Trouble, Wrong};
use crate::server::Server;

/// How long a server without a `Retry-After` is not asked again: doubled with each failure, up to
const PAUSE: Duration = Duration::from_millis(50);
/// this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest `Retry-After` that is kept: what it waits for may be over sooner.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// The servers as the refiller sees them. It stays with one for as long as that gives IDs: to change servers
/// is what breaks their order.
#[derive(Debug)]
pub(crate) struct Roster {
    places: Vec<Place>,
    current: usize,
}

#[derive(Debug)]
struct Place {
    server: Server,
    failures: u32,
    /// It is not asked before.
    aside: Option<Instant>,
}

/// What was wrong with each server, for whoever wants to know.
#[derive(Debug)]
pub(crate) struct Troubles(Mutex<Vec<Wrong>>);

impl Roster {
    /// `servers` of which a random one is the first, so that many clients spread over them.
    pub(crate) fn new(servers: Vec<Server>) -> Self {
        let random = RandomState::new().hash_one(0);
        let count = u64::try_from(servers.len()).unwrap_or(1).max(1);
        Self {
            current: usize::try_from(random % count).unwrap_or(0),
            places: servers
                .into_iter()
                .map(|server| Place {
                    server,
                    failures: 0,
                    aside: None,
                })
                .collect(),
        }
    }

    pub(crate) fn server(&self, index: usize) -> &Server {
        &self.places[index].server
    }

    /// The server to ask now, or else when the next may be asked.
    pub(crate) fn pick(&mut self, now: Instant) -> Result<usize, Instant> {
        let count = self.places.len();
        let mut soonest = None;
        for place in 0..count {
            let index = (self.current + place) % count;
            match self.places[index].aside.filter(|aside| *aside > now) {
                None => {
                    self.current = index;
                    return Ok(index);
                }
                Some(aside) => {
                    soonest = Some(soonest.map_or(aside, |known: Instant| known.min(aside)));
                }
            }
        }
        Err(soonest.unwrap_or(now))
    }

    /// It gave IDs; `closes` if it wants no more requests on that connection, so that others are asked first.
    pub(crate) fn worked(&mut self, index: usize, closes: bool) {
        let place = &mut self.places[index];
        place.failures = 0;
        place.aside = None;
        if closes {
            self.current = (index + 1) % self.places.len();
        }
    }

    pub(crate) fn failed(&mut self, index: usize, trouble: &Trouble, now: Instant) {
        let place = &mut self.places[index];
        let pause = match trouble {
            Trouble::Refused {
                retry_after: Some(after),
                ..
            } => LONGEST_RETRY.min(*after),
            _ => LONGEST_PAUSE.min(PAUSE * (1 << place.failures.min(8))),
        };
        place.failures = place.failures.saturating_add(1);
        place.aside = now.checked_add(pause);
        self.current = (index + 1) % self.places.len();
    }
}

impl Troubles {
    pub(crate) fn new(servers: &[Server]) -> Self {
        let none = |server: &Server| Wrong {
            server: server.clone(),
            trouble: None,
        };
        Self(Mutex::new(servers.iter().map(none).collect()))
    }

    pub(crate) fn note(&self, index: usize, trouble: Option<Trouble>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wrong) = all.get_mut(index) {
            wrong.trouble = trouble;
        }
    }

    pub(crate) fn all(&self) -> Vec<Wrong> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    fn roster(count: usize) -> Roster {
        let servers = (0..count).map(|place| format!("ids:{}", place + 1).parse().unwrap());
        let mut roster = Roster::new(servers.collect());
        assert!(roster.current < count);
        roster.current = 0;
        roster
    }

    fn refused(seconds: u64) -> Trouble {
        Trouble::Refused {
            status: 503,
            code: None,
            message: String::new(),
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    fn broken() -> Trouble {
        Trouble::Broken(Arc::new(io::ErrorKind::TimedOut.into()))
    }

    #[test]
    fn it_stays_with_a_server_until_that_fails_or_closes() {
        let (mut roster, now) = (roster(3), Instant::now());
        assert_eq!(roster.pick(now), Ok(0));
        roster.worked(0, false);
        assert_eq!(roster.pick(now), Ok(0));
        roster.failed(0, &broken(), now);
        assert_eq!(roster.pick(now), Ok(1));
        // It is back, but that is no reason to change servers once more.
        let later = now + LONGEST_PAUSE;
        assert_eq!(roster.pick(later), Ok(1));
        roster.worked(1, true);
        assert_eq!(roster.pick(later), Ok(2));
        roster.worked(2, true);
        assert_eq!(roster.pick(later), Ok(0));
    }

    #[test]
    fn a_server_that_closes_is_asked_again_if_it_is_the_only_one() {
        let (mut roster, now) = (roster(2), Instant::now());
        roster.failed(1, &refused(5), now);
        roster.worked(0, true);
        assert_eq!(roster.pick(now), Ok(0));
    }

    #[test]
    fn the_soonest_is_waited_for() {
        let (mut roster, now) = (roster(2), Instant::now());
        roster.failed(0, &refused(5), now);
        roster.failed(1, &refused(3), now);
        assert_eq!(roster.pick(now), Err(now + Duration::from_secs(3)));
        assert_eq!(roster.pick(now + Duration::from_secs(3)), Ok(1));
        roster.failed(1, &refused(3600), now);
        assert_eq!(roster.pick(now + LONGEST_RETRY), Ok(0));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_end_with_success() {
        let (mut roster, now) = (roster(1), Instant::now());
        for millis in [50, 100, 200, 400, 800, 1000, 1000] {
            roster.failed(0, &broken(), now);
            assert_eq!(roster.pick(now), Err(now + Duration::from_millis(millis)));
        }
        roster.worked(0, false);
        assert_eq!(roster.pick(now), Ok(0));
        roster.failed(0, &broken(), now);
        assert_eq!(roster.pick(now), Err(now + PAUSE));
    }
}
