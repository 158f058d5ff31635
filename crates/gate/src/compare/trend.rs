//! Change points of a history by E-divisive means (Matteson and James, 2014): where the distribution of a figure
//! changed, found by energy distance and kept if a permutation test finds it unlikely by chance.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// Fewest values on either side of a change.
const LEAST: usize = 4;
/// Permutations of each test.
const PERMUTATIONS: usize = 199;
/// Share of permutations that may look as strong as a real change.
const LEVEL: f64 = 0.01;

/// Indices at which the values change their distribution, in order: each is the first of the new level.
pub fn change_points(values: &[f64], seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut found = Vec::new();
    let mut open = vec![(0, values.len())];
    while let Some((from, to)) = open.pop() {
        let part = &values[from..to];
        let Some((at, strength)) = best_split(part) else {
            continue;
        };
        let mut shuffled = part.to_vec();
        let as_strong = (0..PERMUTATIONS)
            .filter(|_| {
                shuffled.shuffle(&mut random);
                best_split(&shuffled).is_some_and(|(_, by_chance)| by_chance >= strength)
            })
            .count();
        if (as_strong + 1) as f64 <= LEVEL * (PERMUTATIONS + 1) as f64 {
            found.push(from + at);
            open.extend([(from, from + at), (from + at, to)]);
        }
    }
    found.sort_unstable();
    found
}

/// The split with the largest scaled energy distance between its sides, in quadratic time by updating the three sums.
fn best_split(values: &[f64]) -> Option<(usize, f64)> {
    let n = values.len();
    if n < 2 * LEAST {
        return None;
    }
    let gap = |i: usize, j: usize| (values[i] - values[j]).abs();
    let (mut within_left, mut between, mut within_right) = (0.0, 0.0, 0.0);
    for i in 0..n {
        within_right += (i + 1..n).map(|j| gap(i, j)).sum::<f64>();
    }
    let mut best: Option<(usize, f64)> = None;
    for split in 1..n {
        // Value `split - 1` moves from right to left.
        let moved = split - 1;
        let to_left: f64 = (0..moved).map(|j| gap(moved, j)).sum();
        let to_right: f64 = (split..n).map(|j| gap(moved, j)).sum();
        within_left += to_left;
        within_right -= to_right;
        between += to_right - to_left;
        if split < LEAST || n - split < LEAST {
            continue;
        }
        let (left, right) = (split as f64, (n - split) as f64);
        let pairs = |k: f64| k * (k - 1.0) / 2.0;
        let energy = 2.0 * between / (left * right) - within_left / pairs(left) - within_right / pairs(right);
        let strength = energy * left * right / (left + right);
        if best.is_none_or(|(_, most)| strength > most) {
            best = Some((split, strength));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    fn history(levels: &[(usize, f64)], seed: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::new();
        for (count, level) in levels {
            values.extend((0..*count).map(|_| level * (1.0 + 0.1 * (random.random::<f64>() - 0.5))));
        }
        values
    }

    #[test]
    fn changes_are_found_where_they_are() {
        let points = change_points(&history(&[(20, 100.0), (15, 120.0), (20, 90.0)], 3), 1);
        assert_eq!(points.len(), 2, "{points:?}");
        assert!(
            points[0].abs_diff(20) <= 1 && points[1].abs_diff(35) <= 1,
            "{points:?}"
        );
    }

    #[test]
    fn a_steady_history_has_none() {
        let alarms = (0..40)
            .filter(|seed| !change_points(&history(&[(40, 100.0)], *seed), 1).is_empty())
            .count();
        assert!(alarms <= 2, "{alarms} of 40");
    }
}
