//! Very many durations in little memory.

/// Steps into which each doubling is divided: a percentile is off by 1.6 % at most.
const STEPS: u64 = 64;

/// Counts of durations in milliseconds, in classes that widen with them.
#[derive(Debug, Default, Clone)]
pub struct Durations {
    counts: Vec<u64>,
    /// How many there are.
    pub count: u64,
    /// The longest.
    pub max: u64,
}

impl Durations {
    /// Adds one; true where it is the longest so far.
    pub fn add(&mut self, millis: u64) -> bool {
        let class = class(millis);
        if self.counts.len() <= class {
            self.counts.resize(class + 1, 0);
        }
        self.counts[class] += 1;
        self.count += 1;
        let longest = millis > self.max || self.count == 1;
        self.max = self.max.max(millis);
        longest
    }

    /// Adds all of the other.
    pub fn merge(&mut self, other: &Durations) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *count += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The duration that this share (in percent) does not exceed.
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(class as u64).min(self.max);
            }
        }
        self.max
    }
}

/// Below twice [`STEPS`] a class per millisecond, above it so many to each doubling.
fn class(millis: u64) -> usize {
    let doublings = (millis / STEPS).checked_ilog2().unwrap_or(0) as u64;
    (doublings * STEPS + (millis >> doublings)) as usize
}

/// The largest duration of a class.
fn upper(class: u64) -> u64 {
    if class < 2 * STEPS {
        return class;
    }
    let doublings = class / STEPS - 1;
    (((class - doublings * STEPS) + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_durations_are_exact() {
        let mut durations = Durations::default();
        for millis in 1..=100 {
            durations.add(millis);
        }
        let percentiles = [50, 95, 100].map(|percent| durations.percentile(percent));
        assert_eq!((percentiles, durations.max), ([50, 95, 100], 100));
        assert_eq!(Durations::default().percentile(95), 0);
    }

    proptest! {
        #[test]
        fn a_percentile_is_close_to_the_sorted_one(mut all in prop::collection::vec(0_u64..100_000_000, 1..200), percent in 1_u64..=100) {
            let mut durations = Durations::default();
            all.iter().for_each(|millis| { durations.add(*millis); });
            all.sort_unstable();
            let at = (all.len() as u64 * percent).div_ceil(100).max(1) as usize - 1;
            let (exact, near) = (all[at], durations.percentile(percent));
            prop_assert!(near >= exact && near as f64 <= exact as f64 * 1.016 + 1.0, "{near} for {exact}");
        }

        #[test]
        fn classes_follow_each_other(millis in 0_u64..1_000_000_000) {
            let class = class(millis) as u64;
            prop_assert!(millis <= upper(class));
            prop_assert!(class == 0 || upper(class - 1) < millis);
        }
    }
}
