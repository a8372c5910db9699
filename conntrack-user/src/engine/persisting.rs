//! Errors that persist: each is reported once.

use std::collections::BTreeSet;

/// The errors of the last reading of an instance.
#[derive(Debug, Default)]
pub(super) struct PersistingErrors {
    persisting: BTreeSet<String>,
}

impl PersistingErrors {
    /// Takes all current errors. Returns those that are new, or that there are none left.
    pub(super) fn update<E: ToString>(&mut self, errors: &[E]) -> Vec<String> {
        let now: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
        let mut lines: Vec<String> = now.difference(&self.persisting).cloned().collect();
        if now.is_empty() && !self.persisting.is_empty() {
            lines.push("all counters can be read again".to_owned());
        }
        self.persisting = now;
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::source::{denied::DeniedRemedy, proc_fs::SourceError};

    #[test]
    fn each_error_is_reported_once_until_it_changes() {
        let mut errors = PersistingErrors::default();
        let gone = || SourceError::NotFound(PathBuf::from("/proc/x"));
        assert_eq!(errors.update(&[gone()]), ["/proc/x does not exist"]);
        assert!(errors.update(&[gone()]).is_empty());
        let denied = SourceError::PermissionDenied(PathBuf::from("/proc/x"), DeniedRemedy::BeRoot);
        assert_eq!(
            errors.update(&[denied]),
            ["/proc/x: permission denied; run as root"]
        );
        assert_eq!(
            errors.update::<SourceError>(&[]),
            ["all counters can be read again"]
        );
        assert!(errors.update::<SourceError>(&[]).is_empty());
    }
}
