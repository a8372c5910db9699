//! Mistakes in a configuration, and the hints that go with them.

use crate::{keyboard::bindings::BindingError, model::alert::Level, text::Text};

/// A mistake in the text of a configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mistake {
    /// It is not UTF-8.
    #[error("this is no UTF-8; a configuration is a text file")]
    NotText,
    /// It is not TOML; the parser's message.
    #[error("{0}")]
    Syntax(Text),
    /// There is no such table.
    #[error("unknown table [{0}]; {1}")]
    Table(Text, Hint),
    /// A value where a table is expected.
    #[error("{0} must be a table: [{0}]")]
    NoTable(String),
    /// There is no such alert.
    #[error("there is no alert {0}; {1}")]
    Alert(Text, Hint),
    /// The table has no such key.
    #[error("unknown key {0} in [{1}]; {2}")]
    Key(Text, String, Hint),
    /// The key cannot have such a value.
    #[error("{0} in [{1}] must be {2}")]
    Value(&'static str, String, String),
    /// The keys of an action cannot be bound.
    #[error("{0} in [live.keys]: {1}")]
    Binding(&'static str, BindingError),
    /// A `_hold` key for a level that is off.
    #[error("{0}_hold holds nothing: {0} is off")]
    HoldOfNothing(&'static str),
    /// A `_hold` key that is worse than its level, which it could never keep up.
    #[error("{0}_hold = {hold} is {beyond} {0} = {raise}: it would never hold", hold = .1.hold, raise = .1.raise, beyond = .2)]
    HoldBeyondLevel(&'static str, Level, &'static str),
    /// A warning that is worse than critical.
    #[error("warning = {1} is {3} critical = {2} of {0}: it would never be seen; set both")]
    WarningBeyondCritical(&'static str, f64, f64, &'static str),
    /// A delay that is longer than `delay_max`.
    #[error("delay_max must not be less than delay_up and delay_down")]
    DelayBeyondMax,
}

/// Jaro-Winkler similarity (0 to 1) above which a known name is offered for an unknown one.
const NEAR: f64 = 0.75;

/// What the user may have meant.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Hint {
    /// The name nearest to the wrong one.
    #[error("did you mean {0}?")]
    Nearest(&'static str),
    /// All names, as none is near.
    #[error("there are {}", .0.join(", "))]
    All(Vec<&'static str>),
}

impl Hint {
    pub(super) fn new(wrong: &str, known: impl IntoIterator<Item = &'static str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let nearest = known
            .iter()
            .map(|name| (strsim::jaro_winkler(wrong, name), *name))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(similarity, _)| *similarity > NEAR);
        match nearest {
            Some((_, name)) => Self::Nearest(name),
            None => Self::All(known),
        }
    }
}
