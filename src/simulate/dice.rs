//! Seeded chance: one independent ChaCha stream per family, so that a change in one family never shifts another.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Values with their weights in decile 1, 2 and 3, ordered from the best-off to the worst-off.
pub(super) type Choices = [(&'static str, [u16; 3])];

/// One stream of chance.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// Opens stream number `stream` of the run named by seed and region; stream 0 lays out the regency.
    pub(super) fn new(seed: u64, region: &str, stream: u64) -> Self {
        let mut key = [0; 32];
        let source = seed.to_le_bytes().into_iter().chain(region.bytes());
        key.iter_mut().zip(source).for_each(|(slot, byte)| *slot = byte);
        let mut chacha = ChaCha8Rng::from_seed(key);
        chacha.set_stream(stream);
        Self(chacha)
    }

    /// A number from 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A real number in the range, evenly.
    pub(super) fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A real number in the range, with the middle more likely than the ends.
    pub(super) fn middling(&mut self, low: f64, high: f64) -> f64 {
        (self.real(low, high) + self.real(low, high)) / 2.0
    }

    /// A whole number in the range, both ends included; `low` when the range is empty.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        if low < high { self.0.random_range(low..=high) } else { low }
    }

    /// One of the items, evenly; the default of nothing.
    pub(super) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        self.at(items, 1.0)
    }

    /// One of the items, the early ones more often: lists of names begin with the common ones.
    pub(super) fn common<T: Copy + Default>(&mut self, items: &[T]) -> T {
        self.at(items, 1.6)
    }

    /// One value of a weighted table, by the column of the decile.
    pub(super) fn choose(&mut self, table: &Choices, decile: u8) -> &'static str {
        let quantile = self.unit();
        at_quantile(table, decile, quantile)
    }

    /// Brings the items into a random order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }

    fn at<T: Copy + Default>(&mut self, items: &[T], skew: f64) -> T {
        let position = self.unit().powf(skew) * items.len() as f64;
        items.get(position as usize).copied().unwrap_or_default()
    }
}

/// The value that stands at the quantile of a weighted table, in the column of the decile.
pub(super) fn at_quantile(table: &Choices, decile: u8, quantile: f64) -> &'static str {
    let column = usize::from(decile.clamp(1, 3) - 1);
    let weight = |weights: &[u16; 3]| f64::from(weights.get(column).copied().unwrap_or_default());
    let mut left = quantile * table.iter().map(|(_, weights)| weight(weights)).sum::<f64>();
    for (value, weights) in table {
        left -= weight(weights);
        if left < 0.0 {
            return value;
        }
    }
    table.last().map(|(value, _)| *value).unwrap_or_default()
}
