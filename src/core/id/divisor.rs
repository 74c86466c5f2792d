//! Division by a number that is known long before what is divided.

/// A divisor, prepared: a quotient costs a multiplication, where the processor's own division of 64
/// bits takes as long as taking an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Divisor {
    divisor: u64,
    /// 2⁶⁴ divided by the divisor, rounded down.
    reciprocal: u64,
}

impl Divisor {
    /// Prepares the division by `divisor`; by 1 if that is 0.
    pub(crate) const fn new(divisor: u64) -> Self {
        let divisor = if divisor == 0 { 1 } else { divisor };
        Self {
            divisor,
            // One less than it should be where the divisor divides 2⁶⁴, which is no more than the
            // error of rounding down.
            reciprocal: u64::MAX / divisor,
        }
    }

    /// `number` divided by the divisor, rounded down.
    #[inline]
    pub(crate) const fn quotient(self, number: u64) -> u64 {
        // The reciprocal is too small by at most one, and so is this: by less than number ÷ 2⁶⁴,
        // and by what the rounding here takes away.
        let estimate = ((number as u128 * self.reciprocal as u128) >> 64) as u64;
        let left = number - estimate * self.divisor;
        estimate + (left >= self.divisor) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_every_quotient_are_exact() {
        let divisors = [1, 2, 3, 5, 10, 256, 1000, 65_535, 65_536, 10_000_000];
        for divisor in divisors
            .into_iter()
            .chain([u64::MAX / 2, u64::MAX - 1, u64::MAX])
        {
            let prepared = Divisor::new(divisor);
            for quotient in [0, 1, 2, 1000, u64::MAX / divisor] {
                let Some(first) = quotient.checked_mul(divisor) else {
                    continue;
                };
                let last = first.saturating_add(divisor - 1);
                for number in [first, last] {
                    assert_eq!(prepared.quotient(number), quotient, "{number} / {divisor}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        assert_eq!(Divisor::new(0).quotient(7), 7);
    }

    proptest! {
        #[test]
        fn agrees_with_the_processor(number: u64, divisor in 1..=u64::MAX, shift in 0..64_u32) {
            let divisor = (divisor >> shift).max(1);
            prop_assert_eq!(Divisor::new(divisor).quotient(number), number / divisor);
        }
    }
}
