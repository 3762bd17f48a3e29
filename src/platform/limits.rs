//! Rate limits per actor (or per address for nobody), so that one careless loop cannot starve a province.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Caller {
    Actor(Uuid),
    Address(Option<IpAddr>),
    /// Tries tokens that are nobody's. Apart from who comes without any: behind a proxy all have its address, and expired tokens must not
    /// keep people from signing in.
    Guess(Option<IpAddr>),
}

/// The limiter; off when the setting is 0.
#[derive(Debug)]
pub struct Limits {
    limiter: Option<DefaultKeyedRateLimiter<Caller>>,
    clock: DefaultClock,
}

impl Limits {
    /// `per_second` requests a second, in bursts of four times that.
    pub fn new(per_second: u32) -> Limits {
        let quota = NonZeroU32::new(per_second)
            .map(|rate| Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(3))));
        Limits { limiter: quota.map(DefaultKeyedRateLimiter::keyed), clock: DefaultClock::default() }
    }

    /// Whether this request may pass; else how many seconds to wait.
    pub fn check(&self, actor: Option<Uuid>, address: Option<IpAddr>) -> Result<(), u64> {
        self.pass(actor.map_or(Caller::Address(address), Caller::Actor))
    }

    /// Whether a token that is nobody's is answered; else how many seconds to wait.
    pub fn check_guess(&self, address: Option<IpAddr>) -> Result<(), u64> {
        self.pass(Caller::Guess(address))
    }

    fn pass(&self, caller: Caller) -> Result<(), u64> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check_key(&caller).map_err(|until| until.wait_time_from(self.clock.now()).as_secs() + 1)
    }

    /// Forgets callers that have been quiet.
    pub fn sweep(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
        }
    }
}
