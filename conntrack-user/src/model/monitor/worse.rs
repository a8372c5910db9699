//! Checks of the same name, of earlier and present probes.

use crate::model::record::Check;

/// Adds checks; of two with the same name, the worse one stays.
pub(super) fn add_worse(checks: &mut Vec<Check>, more: &[Check]) {
    for new in more {
        match checks.iter_mut().find(|check| check.name == new.name) {
            Some(check) if check.verdict >= new.verdict => {}
            Some(check) => check.clone_from(new),
            None => checks.push(new.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Verdict::{self, Exact, Mismatch, Undercount, WithinBracket};

    #[test]
    fn of_each_name_the_worst_stays() {
        let checks = |all: &[(&'static str, Verdict)]| -> Vec<Check> {
            let check = |&(name, verdict): &(&'static str, Verdict)| Check {
                name: name.into(),
                probe: None,
                kernel_low: None,
                kernel_high: None,
                residual: None,
                verdict,
                reason: None,
            };
            all.iter().map(check).collect()
        };
        let mut all = checks(&[("new", Exact), ("free", Mismatch), ("alloc", Undercount)]);
        let more = [
            ("free", Undercount),
            ("new", Undercount),
            ("drop", WithinBracket),
        ];
        add_worse(&mut all, &checks(&more));
        let expected = [
            ("new", Undercount),
            ("free", Mismatch),
            ("alloc", Undercount),
            ("drop", WithinBracket),
        ];
        assert_eq!(all, checks(&expected));
    }
}
