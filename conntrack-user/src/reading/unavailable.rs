//! The reason why a value is unavailable. It takes the place of the value all the way to the user: what is unavailable is never
//! shown as 0.

use std::fmt;

use crate::text::Text;

/// Why a value is unavailable, as a user reads it after "unavailable: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(Text);

impl Unavailable {
    /// The reason as text, for a record.
    #[must_use]
    pub fn reason(&self) -> &Text {
        &self.0
    }

    /// The reason as text, for a record.
    #[must_use]
    pub fn into_reason(self) -> Text {
        self.0
    }
}

impl From<&'static str> for Unavailable {
    fn from(reason: &'static str) -> Self {
        Self(reason.into())
    }
}

impl From<String> for Unavailable {
    fn from(reason: String) -> Self {
        Self(reason.into())
    }
}

impl From<Text> for Unavailable {
    fn from(reason: Text) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
