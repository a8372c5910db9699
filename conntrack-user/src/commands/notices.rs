//! What a user should know besides the data: lines on stderr, each said once until it changes.

use std::collections::BTreeSet;

use crate::source::proc_fs::ReadError;

/// Says things on stderr.
#[derive(Debug, Default)]
pub struct Notices {
    standing: BTreeSet<String>,
}

impl Notices {
    /// Says something once.
    pub fn say(&self, message: &str) {
        eprintln!("ctpulse: {message}");
    }

    /// Says what can no longer be read, and what can again.
    pub fn errors(&mut self, errors: &[ReadError]) {
        for line in self.changes(errors) {
            self.say(&line);
        }
    }

    fn changes(&mut self, errors: &[ReadError]) -> Vec<String> {
        let now: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
        let mut lines: Vec<String> = now.difference(&self.standing).cloned().collect();
        if now.is_empty() && !self.standing.is_empty() {
            lines.push("all counters can be read again".to_owned());
        }
        self.standing = now;
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn each_is_said_once_until_it_changes() {
        let gone = || ReadError::NotFound(PathBuf::from("/p/a"));
        let mut notices = Notices::default();
        assert_eq!(notices.changes(&[gone()]), ["/p/a does not exist"]);
        assert!(notices.changes(&[gone()]).is_empty());
        assert_eq!(notices.changes(&[]), ["all counters can be read again"]);
        assert!(notices.changes(&[]).is_empty());
        assert_eq!(notices.changes(&[gone()]).len(), 1);
    }
}
