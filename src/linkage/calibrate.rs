//! Honest probabilities without labels: what a wrong link looks like is read off from the runners-up.
//!
//! A row that is surely linked has other candidates, none of which is the person. The best of them scores as the best candidate of a row
//! whose person is missing would: it is a decoy. So the share of wrong links at a weight is the number of rows without partner, times the
//! share of decoys at that weight, over the number of rows whose best candidate has that weight. A straight line through these log-odds
//! turns weights into calibrated ones; with little to go by it stays near the identity.

use super::assign::{Claim, probability};

/// Weights are counted in steps of one bit from here on …
const LOWEST: i32 = -8;
/// … to here.
const HIGHEST: i32 = 24;

/// Calibrated weight = offset + slope × weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// In bits.
    pub offset: f64,
    /// Above 0.
    pub slope: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { offset: 0.0, slope: 1.0 }
    }
}

impl Calibration {
    /// The calibrated weight.
    pub fn apply(self, weight: f64) -> f64 {
        self.offset + self.slope * weight
    }
}

/// Rows by the weight of their best candidate, and decoys by theirs.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    rows: Vec<f64>,
    decoys: Vec<f64>,
    /// Rows that gave a decoy, whether or not it had any weight.
    linked: f64,
    /// All rows of the register.
    all: f64,
}

fn step(weight: f64) -> usize {
    let clamped = weight.round().clamp(f64::from(LOWEST), f64::from(HIGHEST));
    (clamped as i32 - LOWEST).unsigned_abs() as usize
}

impl Observed {
    /// Counts one register's rows. `claims` come grouped by `row`; `rivals` is what the other side's competition takes away, and `same` says
    /// whether two claims of a row lead to one person.
    pub fn add<'c>(
        &mut self,
        rows: usize,
        groups: impl Iterator<Item = Vec<&'c Claim>>,
        rivals: impl Fn(&Claim) -> f64,
        same: impl Fn(&Claim, &Claim) -> bool,
    ) {
        let width = step(f64::from(HIGHEST)) + 1;
        self.rows.resize(width, 0.0);
        self.decoys.resize(width, 0.0);
        self.all += rows as f64;
        let count = |list: &mut Vec<f64>, weight: f64| {
            if let Some(n) = list.get_mut(step(weight)) {
                *n += 1.0;
            }
        };
        for group in groups {
            let best = group.iter().copied().max_by(|a, b| a.settled().total_cmp(&b.settled()));
            let Some(best) = best else { continue };
            count(&mut self.rows, best.settled());
            if probability(best.settled()) < 0.99 {
                continue;
            }
            self.linked += 1.0;
            // As if the best candidate's person did not exist.
            let free = |claim: &Claim| claim.weight + rivals(claim);
            let mut others: Vec<f64> = group
                .iter()
                .filter(|claim| !std::ptr::eq(**claim, best) && (claim.weight < -2.0 || !same(claim, best)))
                .map(|claim| free(claim))
                .collect();
            others.sort_unstable_by(f64::total_cmp);
            let Some(first) = others.pop() else { continue };
            let rest: f64 = others.iter().map(|weight| weight.exp2()).sum();
            count(&mut self.decoys, first - (1.0 + rest).log2());
        }
    }

    /// The line; the identity where too few rows are linked to tell.
    pub fn fit(&self) -> Calibration {
        if self.linked < 50.0 {
            return Calibration::default();
        }
        let mut line = Calibration::default();
        for _ in 0..4 {
            let expected: f64 = self.bins().map(|(weight, n, _)| n * probability(line.apply(weight))).sum();
            // At least two in a thousand rows have no partner, whatever the scores say.
            let free = (self.all - expected).max(self.all * 0.002).max(1.0);
            line = self.line(free);
        }
        line
    }

    fn bins(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        (LOWEST..).zip(self.rows.iter().zip(&self.decoys)).map(|(weight, (&rows, &decoys))| (f64::from(weight), rows, decoys))
    }

    /// Logistic regression by Newton's method, drawn towards the identity.
    fn line(&self, free: f64) -> Calibration {
        const BIT: f64 = std::f64::consts::LN_2;
        let (mut offset, mut slope) = (0.0f64, 1.0f64);
        // How far, in bits and as a factor, the line may stray without evidence.
        let (loose_offset, loose_slope) = (1.0 / (3.0 * BIT).powi(2), 1.0 / 0.15f64.powi(2));
        for _ in 0..30 {
            let (mut g0, mut g1, mut h00, mut h01, mut h11) =
                (-loose_offset * offset, -loose_slope * (slope - 1.0), loose_offset, 0.0, loose_slope);
            for (weight, rows, decoys) in self.bins() {
                let x = weight * BIT;
                let wrong = (free * decoys / self.linked).min(rows);
                let p = 1.0 / (1.0 + (-(offset + slope * x)).exp());
                let residual = (rows - wrong) - rows * p;
                let spread = rows * p * (1.0 - p);
                g0 += residual;
                g1 += residual * x;
                h00 += spread;
                h01 += spread * x;
                h11 += spread * x * x;
            }
            let determinant = h00 * h11 - h01 * h01;
            if determinant <= 0.0 {
                break;
            }
            offset += ((g0 * h11 - g1 * h01) / determinant).clamp(-2.0, 2.0);
            slope = (slope + ((g1 * h00 - g0 * h01) / determinant).clamp(-0.3, 0.3)).clamp(0.3, 2.0);
        }
        Calibration { offset: offset / BIT, slope }
    }
}
