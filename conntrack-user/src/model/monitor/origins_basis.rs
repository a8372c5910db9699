//! What the origins of counters follow from, besides the probes: it hardly ever changes, and finding them takes a while.

use std::rc::Rc;

use crate::{model::kernel::era::Era, reading::proc_stat::ProcStat};

/// The columns that the origins were found from; by default, none were found yet.
#[derive(Debug, Default)]
pub(super) struct OriginsBasis(Option<Basis>);

#[derive(Debug, PartialEq)]
enum Basis {
    /// The statistics could not be read.
    Nothing,
    Columns(Rc<[String]>, Era),
}

impl OriginsBasis {
    /// Takes what the origins follow from now; returns whether they have to be found anew.
    pub(super) fn follow(&mut self, stat: Option<(&ProcStat, Era)>) -> bool {
        let same = match (&self.0, stat) {
            (Some(Basis::Columns(columns, before)), Some((stat, era))) => {
                stat.has_columns(columns) && *before == era
            }
            (Some(Basis::Nothing), None) => true,
            _ => false,
        };
        if !same {
            self.0 = Some(match stat {
                Some((stat, era)) => Basis::Columns(Rc::clone(stat.shared_columns()), era),
                None => Basis::Nothing,
            });
        }
        !same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_counts() {
        let stat = |text: &str| ProcStat::parse(text).expect("statistics");
        let (a, again) = (stat("entries new\n1 2\n"), stat("entries new\n3 4\n"));
        let other = stat("new entries\n1 2\n");
        let mut basis = OriginsBasis::default();
        let mut follow = |stat| basis.follow(stat);
        assert!(follow(None) && !follow(None));
        assert!(follow(Some((&a, Era::From4_9))) && !follow(Some((&again, Era::From4_9))));
        assert!(follow(Some((&a, Era::UpTo4_8))));
        assert!(follow(Some((&other, Era::UpTo4_8))));
        assert!(follow(None));
    }
}
