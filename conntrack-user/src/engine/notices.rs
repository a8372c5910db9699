//! What a user should know besides the data: lines on stderr (or in the live view), each said once
//! until it changes.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use crate::source::proc_fs::SourceError;

/// Where notices go: stderr, unless they are to be kept.
#[derive(Clone, Debug, Default)]
pub struct Voice(Option<Rc<RefCell<Vec<String>>>>);

impl Voice {
    /// Keeps them, for whoever takes them: the live view has stderr's terminal for itself.
    #[must_use]
    pub fn kept() -> Self {
        Self(Some(Rc::default()))
    }

    /// What was kept since last time.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        self.0.as_ref().map(|kept| kept.take()).unwrap_or_default()
    }

    fn say(&self, message: &str) {
        match &self.0 {
            Some(kept) => kept.borrow_mut().push(message.to_owned()),
            None => eprintln!("ctpulse: {message}"),
        }
    }
}

/// Says things.
#[derive(Debug, Default)]
pub struct Notices {
    voice: Voice,
    standing: BTreeSet<String>,
}

impl Notices {
    /// With this voice.
    #[must_use]
    pub fn new(voice: Voice) -> Self {
        Self {
            voice,
            standing: BTreeSet::new(),
        }
    }

    /// Says something once.
    pub fn say(&self, message: &str) {
        self.voice.say(message);
    }

    /// Says what can no longer be read, and what can again.
    pub fn errors(&mut self, errors: &[SourceError]) {
        for line in self.changes(errors) {
            self.say(&line);
        }
    }

    fn changes(&mut self, errors: &[SourceError]) -> Vec<String> {
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
    fn what_is_kept_is_taken_once() {
        let voice = Voice::kept();
        Notices::new(voice.clone()).say("one");
        Notices::new(voice.clone()).say("two");
        assert_eq!(voice.take(), ["one", "two"]);
        assert!(voice.take().is_empty());
    }

    #[test]
    fn each_is_said_once_until_it_changes() {
        let gone = || SourceError::NotFound(PathBuf::from("/p/a"));
        let mut notices = Notices::default();
        assert_eq!(notices.changes(&[gone()]), ["/p/a does not exist"]);
        assert!(notices.changes(&[gone()]).is_empty());
        assert_eq!(notices.changes(&[]), ["all counters can be read again"]);
        assert!(notices.changes(&[]).is_empty());
        assert_eq!(notices.changes(&[gone()]).len(), 1);
    }
}
