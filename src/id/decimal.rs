//! Decimal text of IDs one after another, without a division for each.

/// Pairs of digits in the text.
const PAIRS: usize = 10;

/// "00" to "99".
const DIGITS: [[u8; 2]; 100] = {
    let mut digits = [[b'0'; 2]; 100];
    let mut number: u8 = 0;
    while number < 100 {
        digits[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    digits
};

/// Writes IDs that rise by few different distances, as those of a run do: each costs an addition
/// in base 100 to the text before it.
#[derive(Debug)]
pub struct Decimal {
    id: u64,
    /// In base 100, the lowest first.
    pairs: [u8; PAIRS],
    text: [u8; 2 * PAIRS],
    /// Where the text begins, behind its leading zeros.
    start: usize,
    step: Step,
}

/// A distance between IDs, and its digits in base 100.
#[derive(Debug)]
struct Step {
    distance: u64,
    pairs: [u8; PAIRS],
    /// How many of them there are up to the highest that is not zero.
    length: usize,
}

impl Decimal {
    /// Begins at 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            id: 0,
            pairs: [0; PAIRS],
            text: [b'0'; 2 * PAIRS],
            start: 2 * PAIRS - 1,
            step: Step::new(0),
        }
    }

    /// The text of `id`, which is not below the one before.
    pub fn write(&mut self, id: u64) -> &[u8] {
        let distance = id - self.id;
        if distance == 1 {
            self.add_one();
        } else {
            if distance != self.step.distance {
                self.step = Step::new(distance);
            }
            self.add_step();
        }
        self.id = id;
        &self.text[self.start..]
    }

    fn add_one(&mut self) {
        for place in 0..PAIRS {
            let carry = self.pairs[place] == 99;
            self.put(place, if carry { 0 } else { self.pairs[place] + 1 });
            if !carry {
                break;
            }
        }
        self.find_start();
    }

    fn add_step(&mut self) {
        let mut carry = 0;
        for place in 0..PAIRS {
            if place >= self.step.length && carry == 0 {
                break;
            }
            let sum = self.pairs[place] + self.step.pairs[place] + carry;
            carry = u8::from(sum >= 100);
            self.put(place, sum - 100 * carry);
        }
        self.find_start();
    }

    fn put(&mut self, place: usize, pair: u8) {
        self.pairs[place] = pair;
        let at = 2 * (PAIRS - 1 - place);
        self.text[at..at + 2].copy_from_slice(&DIGITS[usize::from(pair)]);
    }

    /// Numbers only grow: what has to be looked at are the zeros in front, of which there are few.
    fn find_start(&mut self) {
        let zeros = &self.text[..self.start];
        if let Some(first) = zeros.iter().position(|digit| *digit != b'0') {
            self.start = first;
        }
    }
}

impl Default for Decimal {
    fn default() -> Self {
        Self::new()
    }
}

impl Step {
    fn new(distance: u64) -> Self {
        let mut pairs = [0; PAIRS];
        let mut length = 0;
        let mut left = distance;
        while left > 0 {
            pairs[length] = u8::try_from(left % 100).expect("a remainder of 100 fits");
            left /= 100;
            length += 1;
        }
        Self {
            distance,
            pairs,
            length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(ids: &[u64]) -> Vec<String> {
        let mut decimal = Decimal::new();
        ids.iter()
            .map(|id| String::from_utf8(decimal.write(*id).to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn writes_carries_and_growing_lengths() {
        let ids = [
            0,
            0,
            9,
            10,
            99,
            100,
            101,
            9_999,
            10_000,
            999_999_999_999_999_999,
            1_000_000_000_000_000_000,
            i64::MAX as u64,
            u64::MAX,
        ];
        let expected: Vec<String> = ids.iter().map(u64::to_string).collect();
        assert_eq!(texts(&ids), expected);
    }

    proptest! {
        #[test]
        fn writes_as_the_standard_library_does(
            first in 0..1u64 << 62,
            steps in proptest::collection::vec(
                prop_oneof![Just(1), Just(65_536), Just(4_096), 0..1u64 << 40], 1..200),
        ) {
            let mut ids = vec![first];
            for step in steps {
                ids.push(ids.last().unwrap() + step);
            }
            let expected: Vec<String> = ids.iter().map(u64::to_string).collect();
            prop_assert_eq!(texts(&ids), expected);
        }
    }
}
