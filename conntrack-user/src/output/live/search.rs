//! Filters of the event feed: conditions on the tuple, and words that the line must contain.

use std::str::FromStr;

use crate::model::event::{
    Tuple,
    filter::{Filter, FilterError},
};

/// The error of an invalid filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct SearchError(#[from] FilterError);

/// Conditions and words that must all match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    tuple: Option<Filter>,
    words: Vec<String>,
}

impl Search {
    /// Whether an event matches, by its line and its flow, before NAT and after it.
    #[must_use]
    pub fn matches<'a>(&self, line: &str, flows: impl IntoIterator<Item = &'a Tuple>) -> bool {
        let line = line.to_lowercase();
        self.words.iter().all(|word| line.contains(word))
            && self.tuple.as_ref().is_none_or(|f| f.matches_any(flows))
    }
}

impl FromStr for Search {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Self, SearchError> {
        let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
        let (conditions, words): (Vec<&str>, Vec<&str>) = parts.partition(|p| p.contains('='));
        Ok(Self {
            tuple: (!conditions.is_empty())
                .then(|| conditions.join(",").parse())
                .transpose()?,
            words: words.into_iter().map(str::to_lowercase).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Protocol;

    #[test]
    fn words_and_conditions_must_all_hold() {
        let search: Search = "table_full proto=udp".parse().unwrap();
        let udp = Tuple {
            proto: Protocol::named("udp"),
            ..Tuple::default()
        };
        assert!(search.matches("12:00 Table_Full x", Some(&udp)));
        assert!(!search.matches("12:00 early_drop", Some(&udp)));
        assert!(!search.matches("12:00 table_full", None));
        assert!(Search::default().matches("anything", None));
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        let error = "port=1".parse::<Search>().unwrap_err();
        assert!(error.to_string().contains("no such key"), "{error}");
    }
}
