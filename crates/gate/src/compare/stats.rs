//! Exact small-sample statistics: the sign test and the interval for a median that comes with it.

/// Probability of at most `k` heads in `n` tosses of a fair coin.
pub(super) fn heads_at_most(k: i64, n: usize) -> f64 {
    if k < 0 {
        return 0.0;
    }
    let mut log_choose = 0.0;
    let mut sum = 0.0;
    for i in 0..=(k as usize).min(n) {
        if i > 0 {
            log_choose += ((n - i + 1) as f64).ln() - (i as f64).ln();
        }
        sum += (log_choose - n as f64 * std::f64::consts::LN_2).exp();
    }
    sum.min(1.0)
}

/// Two-sided p-value of the sign test.
pub(super) fn sign_test(plus: usize, minus: usize) -> f64 {
    (2.0 * heads_at_most(plus.min(minus) as i64, plus + minus)).min(1.0)
}

/// Median with an interval that holds the true median with probability at least `1 - alpha`, whatever the
/// distribution: order statistics chosen by the binomial law. `None` if there are too few values for that.
pub fn median_interval(values: &[f64], alpha: f64) -> Option<(f64, f64, f64)> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let rank = (1..=n / 2)
        .rev()
        .find(|rank| 2.0 * heads_at_most(*rank as i64 - 1, n) <= alpha)?;
    Some((sorted[rank - 1], median(&sorted), sorted[n - rank]))
}

/// Median of sorted values, which must not be empty.
pub(super) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_law_is_that_of_the_tables() {
        assert!((heads_at_most(1, 5) - 6.0 / 32.0).abs() < 1e-12);
        assert!((heads_at_most(50, 100) - 0.539_794_6).abs() < 1e-6);
        assert!((sign_test(0, 8) - 2.0 / 256.0).abs() < 1e-12);
    }

    #[test]
    fn the_interval_takes_the_ranks_of_the_tables() {
        // n = 20 at 95 %: ranks 6 and 15 (Conover, Practical Nonparametric Statistics).
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(median_interval(&values, 0.05), Some((6.0, 10.5, 15.0)));
        assert_eq!(median_interval(&values[..5], 0.05), None);
    }
}
