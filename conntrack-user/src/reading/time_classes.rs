//! Times of many entries, in few classes.

use std::collections::BTreeMap;

/// Numbers of seconds in classes: exact below 32, then 16 for each power of two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeClasses {
    counts: BTreeMap<u16, u64>,
    most: u64,
}

impl TimeClasses {
    const STEPS: u32 = 4;

    pub fn add(&mut self, seconds: u64) {
        let class = if seconds >> Self::STEPS == 0 {
            seconds as u16
        } else {
            let shift = 63 - seconds.leading_zeros() - Self::STEPS;
            (((shift + 1) << Self::STEPS) | ((seconds >> shift) as u32 & 15)) as u16
        };
        *self.counts.entry(class).or_insert(0) += 1;
        self.most = self.most.max(seconds);
    }

    /// The greatest that was added; `None` if nothing was.
    #[must_use]
    pub fn most(&self) -> Option<u64> {
        (!self.counts.is_empty()).then_some(self.most)
    }

    /// The least and the greatest number of each class, and how many are in it; the least first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.counts.iter().map(|(class, count)| {
            let (power, step) = (class >> Self::STEPS, u64::from(class & 15));
            match power {
                0 => (step, step, *count),
                _ => {
                    let least = (step | 16) << (power - 1);
                    (least, least + (1 << (power - 1)) - 1, *count)
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TimeClasses;

    proptest! {
        /// Each number is in the class that has it, and classes are as narrow as they are said to be.
        #[test]
        fn classes_hold_their_numbers(numbers in prop::collection::vec(0_u64..1 << 40, 1..200)) {
            let mut classes = TimeClasses::default();
            for number in &numbers {
                classes.add(*number);
            }
            prop_assert_eq!(classes.most(), numbers.iter().copied().max());
            let mut all = 0;
            let mut last = None;
            for (least, greatest, count) in classes.iter() {
                prop_assert!(last.is_none_or(|last| least > last));
                last = Some(greatest);
                let held = numbers.iter().filter(|n| (least..=greatest).contains(*n)).count();
                prop_assert_eq!(count, held as u64);
                all += count;
                let width = greatest - least + 1;
                prop_assert!(width == 1 || width * 16 <= least);
            }
            prop_assert_eq!(all, numbers.len() as u64);
        }
    }
}
