//! Which key does what.

use crate::keyboard::{
    actions::{ACTIONS, Action, ActionSpec},
    key::Key,
};

/// The keys of each action, in the order of [`ACTIONS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bindings(Vec<(Action, Vec<Key>)>);

/// Why keys cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// A word names no key.
    #[error("must be names of keys, such as \"q space f1 pageup\"")]
    NoKey,
    #[error("{0} always shows a chart, or all of them")]
    Digit(Key),
    #[error("{key} is the key of `{other}` already; give that another one")]
    Taken { key: Key, other: &'static str },
}

impl Default for Bindings {
    fn default() -> Self {
        let keys_of = |spec: &ActionSpec| {
            let keys = spec.keys.split_whitespace().flat_map(str::parse);
            (spec.action, keys.collect())
        };
        Self(ACTIONS.iter().map(keys_of).collect())
    }
}

impl Bindings {
    /// The action of a key, if it has one.
    #[must_use]
    pub fn action(&self, key: Key) -> Option<Action> {
        let bound = self.0.iter().find(|(_, keys)| keys.contains(&key));
        bound.map(|(action, _)| *action)
    }

    /// The keys of an action, the most important first.
    pub fn keys(&self, action: Action) -> impl Iterator<Item = Key> {
        let bound = self.0.iter().filter(move |(bound, _)| *bound == action);
        bound.flat_map(|(_, keys)| keys).copied()
    }

    /// The keys of an action as a configuration writes them.
    #[must_use]
    pub fn written(&self, action: Action) -> String {
        let names: Vec<String> = self.keys(action).map(Key::name).collect();
        names.join(" ")
    }

    /// Gives an action these keys instead of its own; none: it has none.
    ///
    /// # Errors
    ///
    /// When a word is no key, or has a meaning that cannot be changed.
    pub fn bind(&mut self, action: Action, keys: &str) -> Result<(), BindingError> {
        let mut bound = Vec::new();
        for word in keys.split_whitespace() {
            let key = word.parse().map_err(|_| BindingError::NoKey)?;
            if let Key::Char('0'..='9') = key {
                return Err(BindingError::Digit(key));
            }
            bound.push(key);
        }
        if let Some((_, keys)) = self.0.iter_mut().find(|(other, _)| *other == action) {
            *keys = bound;
        }
        Ok(())
    }

    /// Refuses a key of an action that another action has as well.
    ///
    /// # Errors
    ///
    /// The first such key, and the other action.
    pub fn check(&self, action: Action) -> Result<(), BindingError> {
        for key in self.keys(action) {
            let mut others = self.0.iter().filter(|(other, _)| *other != action);
            if let Some((other, _)) = others.find(|(_, keys)| keys.contains(&key)) {
                let spec = ACTIONS.iter().find(|spec| spec.action == *other);
                let other = spec.map_or("another action", |spec| spec.name);
                return Err(BindingError::Taken { key, other });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_key_of_its_own() {
        let bindings = Bindings::default();
        for spec in &ACTIONS {
            assert_eq!(bindings.written(spec.action), spec.keys, "{}", spec.name);
            assert_eq!(bindings.check(spec.action), Ok(()), "{}", spec.name);
        }
    }

    #[test]
    fn keys_are_changed() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.bind(Action::Write, "f2 W"), Ok(()));
        assert_eq!(bindings.action(Key::F(2)), Some(Action::Write));
        assert_eq!(bindings.action(Key::Char('w')), None);
        assert_eq!(bindings.bind(Action::Write, "t"), Ok(()));
        assert_eq!(
            bindings.check(Action::Write).map_err(|e| e.to_string()),
            Err("t is the key of `talkers` already; give that another one".to_owned())
        );
        assert_eq!(bindings.bind(Action::Talkers, ""), Ok(()));
        assert_eq!(bindings.check(Action::Write), Ok(()));
        assert_eq!(
            bindings.bind(Action::Write, "ctrl-x"),
            Err(BindingError::NoKey)
        );
        assert_eq!(
            bindings.bind(Action::Write, "3"),
            Err(BindingError::Digit(Key::Char('3')))
        );
    }
}
