//! A small seeded generator (SplitMix64), written out so that one seed gives the same bytes on
//! every platform and in every version.

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The stream `stream` of a seed: streams are independent of one another, so that one server's
    /// bytes do not depend on another server's.
    pub fn new(seed: u64, stream: u64) -> Rng {
        Rng(mix(seed ^ mix(stream.wrapping_add(0x5EED))))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True in `share` of 1,000 cases.
    pub fn permille(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// One of `choices`, which is not empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// `digits` upper-case hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016X}", self.next()));
        }
        text.truncate(digits);
        text
    }
}

/// Spreads the bits of a number: the finalizer of SplitMix64.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_are_fixed_and_differ() {
        let mut first = Rng::new(1, 0);
        let mut again = Rng::new(1, 0);
        let mut other = Rng::new(1, 1);
        let drawn: Vec<u64> = (0..4).map(|_| first.next()).collect();
        assert_eq!(drawn, (0..4).map(|_| again.next()).collect::<Vec<_>>());
        assert_ne!(drawn, (0..4).map(|_| other.next()).collect::<Vec<_>>());
        assert!((0..1000).all(|_| (3..=5).contains(&first.between(3, 5))));
    }
}
