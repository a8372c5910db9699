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
