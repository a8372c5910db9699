//! How the tests took all changes of a room.

use std::iter::Sum;

use super::justified::{self, Justified};
use super::outcomes::{Fate, MutantOutcome};

/// How many changes had which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    killed: usize,
    unviable: usize,
    timed_out: usize,
    /// Those that survive and are in the list.
    justified: usize,
    survived: usize,
}

impl Tally {
    pub(super) const HEADING: &str =
        "room                  changes   killed  unviable  timed out  justified  survived";

    pub(super) fn of(outcomes: &[MutantOutcome], list: &[Justified]) -> Self {
        let count = |fate| {
            outcomes
                .iter()
                .filter(|outcome| outcome.fate == fate)
                .count()
        };
        let survived = justified::compare(list, outcomes, &[], false).unknown.len();
        Self {
            killed: count(Fate::Killed),
            unviable: count(Fate::Unviable),
            timed_out: count(Fate::TimedOut),
            justified: count(Fate::Survived) - survived,
            survived,
        }
    }

    pub(super) fn row(&self, room: &str) -> String {
        let Self {
            killed,
            unviable,
            timed_out,
            justified,
            survived,
        } = self;
        let all = killed + unviable + timed_out + justified + survived;
        format!(
            "{room:20} {all:>8} {killed:>8} {unviable:>9} {timed_out:>10} {justified:>10} {survived:>9}"
        )
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, more| Self {
            killed: sum.killed + more.killed,
            unviable: sum.unviable + more.unviable,
            timed_out: sum.timed_out + more.timed_out,
            justified: sum.justified + more.justified,
            survived: sum.survived + more.survived,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::outcomes::Mutant;

    #[test]
    fn each_change_is_counted_once() {
        let outcome = |change: &str, fate| MutantOutcome {
            mutant: Mutant {
                file: "model/a.rs".to_owned(),
                change: change.to_owned(),
                line: None,
            },
            fate,
        };
        let outcomes = [
            outcome("a", Fate::Killed),
            outcome("b", Fate::Killed),
            outcome("c", Fate::Unviable),
            outcome("d", Fate::TimedOut),
            outcome("e", Fate::Survived),
            outcome("f", Fate::Survived),
            outcome("g", Fate::Survived),
        ];
        let listed = [outcomes[4].mutant.clone(), outcomes[0].mutant.clone()];
        let tally = Tally::of(&outcomes, &listed);
        let cells =
            |row: String| -> Vec<String> { row.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(cells(tally.row("a")), ["a", "7", "2", "1", "1", "1", "2"]);
        let twice: Tally = [tally, tally].into_iter().sum();
        assert_eq!(
            cells(twice.row("all")),
            ["all", "14", "4", "2", "2", "2", "4"]
        );
        assert_eq!(Tally::HEADING.len(), tally.row("a").len());
    }
}
