//! Statistics of a sample of matches, pure: who is drawn from where, and what the judgements say of all matches.
//!
//! Matches are cut into bands of probability. A sample gives half of its places evenly to the bands, because errors hide where
//! the engine is least sure, and half in proportion, because most matches are sure. Each band then counts with its share of
//! all matches, so the uneven drawing does not colour the estimate. The interval joins the Wilson intervals of the bands (the
//! method of variance estimates recovery, Zou and Donner 2008): it stays honest where no error was found, where the textbook
//! interval would shrink to a point. With one band it is Wilson's own. A band that was judged whole adds nothing to it.

/// Where bands of probability end, the least sure band first; the last one reaches up to 1.
pub const EDGES: [f64; 3] = [0.99, 0.999, 0.9999];
/// How many bands there are.
pub const BANDS: usize = EDGES.len() + 1;
/// The quantile of 95 %, two-sided.
const Z: f64 = 1.959_963_984_540_054;

/// From where to where a band reaches; the upper edge lies in the next one.
pub fn reach(band: usize) -> (f64, f64) {
    let from = band.checked_sub(1).and_then(|before| EDGES.get(before)).copied().unwrap_or(0.0);
    (from, EDGES.get(band).copied().unwrap_or(1.0))
}

/// How many are drawn from each band of these sizes.
pub fn allocate(sizes: [i64; BANDS], wanted: i64) -> [i64; BANDS] {
    let wanted = wanted.clamp(0, sizes.iter().sum());
    let filled = i64::try_from(sizes.iter().filter(|size| **size > 0).count()).unwrap_or(1).max(1);
    let even = wanted / 2 / filled;
    let mut drawn = sizes.map(|size| size.min(even));
    let (left, open) = (wanted - drawn.iter().sum::<i64>(), sizes.iter().sum::<i64>() - drawn.iter().sum::<i64>());
    for (drawn, size) in drawn.iter_mut().zip(sizes) {
        let share = i128::from(left) * i128::from(size - *drawn) / i128::from(open.max(1));
        *drawn += i64::try_from(share).unwrap_or(0);
    }
    // What rounding left over, to the least sure first.
    let mut left = wanted - drawn.iter().sum::<i64>();
    while left > 0 {
        for (drawn, size) in drawn.iter_mut().zip(sizes) {
            if left > 0 && *drawn < size {
                *drawn += 1;
                left -= 1;
            }
        }
    }
    drawn
}

/// What was judged of a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judged {
    /// Matches in the band, in all.
    pub matches: i64,
    /// Drawn and judged to be one person.
    pub right: i64,
    /// Drawn and judged to be two.
    pub wrong: i64,
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The share.
    pub share: f64,
    /// Where the interval begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

/// Wilson's interval of a share (1927).
fn wilson(right: f64, judged: f64) -> (f64, f64) {
    let (share, spread) = (right / judged, Z * Z / judged);
    let middle = (share + spread / 2.0) / (1.0 + spread);
    let half = (share * (1.0 - share) * spread + spread * spread / 4.0).max(0.0).sqrt() / (1.0 + spread);
    ((middle - half).clamp(0.0, share), (middle + half).clamp(share, 1.0))
}

/// The share of right ones among all matches; none while there is a band with matches of which nothing was judged.
pub fn estimate(bands: &[Judged]) -> Option<Estimate> {
    #[expect(clippy::cast_precision_loss, reason = "counts of pairs are far below 2^52")]
    let number = |count: i64| count as f64;
    let all = number(bands.iter().map(|band| band.matches).sum());
    let (mut share, mut below, mut above) = (0.0, 0.0, 0.0);
    for band in bands.iter().filter(|band| band.matches > 0) {
        let judged = number(band.right + band.wrong);
        if judged == 0.0 {
            return None;
        }
        let (weight, own) = (number(band.matches) / all, number(band.right) / judged);
        let (low, high) = wilson(number(band.right), judged);
        // Of a band that was judged whole nothing is uncertain.
        let unseen = (1.0 - judged / number(band.matches)).max(0.0);
        share += weight * own;
        below += unseen * (weight * (own - low)).powi(2);
        above += unseen * (weight * (high - own)).powi(2);
    }
    (all > 0.0).then(|| Estimate { share, low: (share - below.sqrt()).max(0.0), high: (share + above.sqrt()).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 5e-5
    }

    #[test]
    fn one_large_band_has_the_interval_of_the_books() {
        // Newcombe 1998, table I: 81 of 263, Wilson without continuity correction: 0.2553 to 0.3662.
        let (low, high) = wilson(81.0, 263.0);
        assert!(close(low, 0.2553) && close(high, 0.3662), "{low} {high}");
        // The same, where 263 were drawn out of a multitude.
        let found = estimate(&[Judged { matches: 1 << 40, right: 81, wrong: 182 }]).unwrap();
        assert!(close(found.low, 0.2553) && close(found.high, 0.3662), "{found:?}");
        // 15 of 148: 0.0624 to 0.1605; 0 of 20: 0 to 0.1611 (ibid.).
        assert!(close(wilson(15.0, 148.0).0, 0.0624) && close(wilson(15.0, 148.0).1, 0.1605));
        assert!(close(wilson(0.0, 20.0).0, 0.0) && close(wilson(0.0, 20.0).1, 0.1611));
    }

    #[test]
    fn a_band_counts_with_its_share_of_all_matches() {
        let unsure = Judged { matches: 100, right: 10, wrong: 10 };
        let sure = Judged { matches: 9_900, right: 100, wrong: 0 };
        let found = estimate(&[unsure, sure]).unwrap();
        assert!(close(found.share, 0.995), "{found:?}");
        assert!(found.low < 0.965 && found.low > 0.955 && found.high > 0.995 && found.high < 1.0, "{found:?}");
        assert_eq!(estimate(&[unsure, Judged { matches: 5, ..Judged::default() }]), None, "nothing is known of that band");
        assert_eq!(estimate(&[Judged::default()]), None);
    }

    proptest! {
        #[test]
        fn everybody_asked_for_is_drawn_once(sizes in prop::array::uniform4(0i64..3_000), wanted in 0i64..2_500) {
            let drawn = allocate(sizes, wanted);
            prop_assert_eq!(drawn.iter().sum::<i64>(), wanted.min(sizes.iter().sum()));
            for (drawn, size) in drawn.iter().zip(sizes) {
                prop_assert!(*drawn >= 0 && *drawn <= size);
                prop_assert!(size == 0 || wanted < 2 * 4 || *drawn > 0);
            }
        }

        #[test]
        fn the_interval_holds_the_share_and_a_census_is_certain(bands in prop::collection::vec((1i64..5_000, 0i64..200, 0i64..200), 1..4)) {
            let judged: Vec<Judged> =
                bands.iter().map(|(more, right, wrong)| Judged { matches: more + right + wrong, right: *right, wrong: *wrong }).collect();
            if let Some(found) = estimate(&judged) {
                prop_assert!(0.0 <= found.low && found.low <= found.share && found.share <= found.high && found.high <= 1.0, "{:?}", found);
            }
            let whole: Vec<Judged> = judged.iter().map(|band| Judged { matches: band.right + band.wrong, ..*band }).collect();
            if let Some(found) = estimate(&whole) {
                prop_assert!(found.high - found.low < 1e-9, "{:?}", found);
            }
        }
    }
}
