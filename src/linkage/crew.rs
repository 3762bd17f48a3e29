//! Threads that share out work, such that the result does not depend on how many there are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::run::Options;

/// The run was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run was cancelled")]
pub struct Cancelled;

/// Threads that share out pieces of work.
pub struct Crew<'a> {
    threads: usize,
    cancel: Option<&'a AtomicBool>,
}

/// Rows a thread takes at a time; fixed, so that the pieces do not depend on the number of threads.
pub(super) const PIECE: u32 = 8_192;

impl<'a> Crew<'a> {
    /// A crew for these options.
    pub fn new(options: &Options<'a>) -> Self {
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        };
        Self { threads, cancel: options.cancel }
    }

    /// One thread, which nobody stops.
    pub fn alone() -> Self {
        Self { threads: 1, cancel: None }
    }

    /// Whether to go on.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)) { Err(Cancelled) } else { Ok(()) }
    }

    /// Does two things, at the same time where there are two threads.
    pub fn both<A: Send, B: Send>(&self, one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
        if self.threads <= 1 {
            return (one(), other());
        }
        std::thread::scope(|scope| {
            let other = scope.spawn(other);
            (one(), other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Does `work` for 0..n, the results in order.
    pub fn each<T: Send>(&self, n: usize, work: impl Fn(usize) -> T + Sync) -> Result<Vec<T>, Cancelled> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(n));
        let labour = || {
            let mut own = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= n || self.check().is_err() {
                    break;
                }
                own.push((at, work(at)));
            }
            if let Ok(mut done) = done.lock() {
                done.append(&mut own);
            }
        };
        if self.threads <= 1 || n <= 1 {
            labour();
        } else {
            std::thread::scope(|scope| {
                for _ in 1..self.threads.min(n) {
                    scope.spawn(labour);
                }
                labour();
            });
        }
        self.check()?;
        let mut done = done.into_inner().unwrap_or_default();
        done.sort_unstable_by_key(|entry| entry.0);
        Ok(done.into_iter().map(|entry| entry.1).collect())
    }

    /// Does `work` on the pieces of a list, each of whole units, with the number of the first unit.
    pub fn slices<T: Send>(&self, list: &mut [T], unit: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        let units = (list.len() / unit.max(1)).div_ceil(self.threads.max(1)).max(1_024);
        if self.threads <= 1 || list.len() <= units * unit {
            return work(0, list);
        }
        let work = &work;
        std::thread::scope(|scope| {
            for (n, piece) in list.chunks_mut(units * unit.max(1)).enumerate() {
                scope.spawn(move || work(n * units, piece));
            }
        });
    }

    /// Does `work` for ranges that cover 0..n, the results in order.
    pub fn chunks<T: Send>(&self, n: u32, work: impl Fn(std::ops::Range<u32>) -> T + Sync) -> Result<Vec<T>, Cancelled> {
        self.each(n.div_ceil(PIECE) as usize, |piece| {
            let start = u32::try_from(piece).unwrap_or(u32::MAX).saturating_mul(PIECE);
            work(start..start.saturating_add(PIECE).min(n))
        })
    }
}
