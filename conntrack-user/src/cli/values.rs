//! Parsers for the values of options. What they refuse comes with what would be accepted.

use std::time::Duration;

use conntrack_ebpf::{EventKind, table};
use thiserror::Error;

use crate::{
    clock::parse_duration,
    model::event::{kind_name, kind_named},
};

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(super) struct ValueError(String);

impl ValueError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

pub(super) fn kind(text: &str) -> Result<EventKind, ValueError> {
    kind_named(text).ok_or_else(|| {
        let names: Vec<&str> = EventKind::ALL.into_iter().map(kind_name).collect();
        ValueError(format!("no such kind; there are {}", names.join(", ")))
    })
}

pub(super) fn probed_function(text: &str) -> Result<String, ValueError> {
    let functions: Vec<_> = table::functions().map(|function| function.name).collect();
    if functions.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(ValueError(format!(
            "not probed; there are {}",
            functions.join(", ")
        )))
    }
}

pub(super) fn positive(text: &str) -> Result<Duration, ValueError> {
    match parse_duration(text) {
        None => Err(ValueError::new("expected a time such as 100ms, 2.5s or 1m")),
        Some(Duration::ZERO) => Err(ValueError::new("must be more than zero")),
        Some(duration) => Ok(duration),
    }
}

pub(super) fn interval(text: &str) -> Result<Duration, ValueError> {
    let interval = positive(text)?;
    if (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&interval) {
        Ok(interval)
    } else {
        Err(ValueError::new("must be from 10ms to 1h"))
    }
}

pub(super) fn multiple(text: &str) -> Result<f64, ValueError> {
    match text.parse() {
        Ok(times) if times > 1.0 && times <= 1000.0 => Ok(times),
        _ => Err(ValueError::new("must be a number above 1, up to 1000")),
    }
}

pub(super) fn longest_burst(text: &str) -> Result<Duration, ValueError> {
    let longest = positive(text)?;
    if (Duration::from_millis(300)..=Duration::from_secs(10)).contains(&longest) {
        Ok(longest)
    } else {
        Err(ValueError::new("must be from 300ms to 10s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(positive("2.5s"), Ok(Duration::from_millis(2500)));
        assert!(interval("1ms").is_err());
        assert!(positive("0s").is_err());
        assert!(positive("-1s").is_err());
        assert!(positive("5").is_err());
        assert_eq!(longest_burst("2s"), Ok(Duration::from_secs(2)));
        assert!(longest_burst("100ms").is_err());
        assert!(longest_burst("1m").is_err());
    }

    #[test]
    fn thresholds() {
        assert_eq!(multiple("1.5"), Ok(1.5));
        for wrong in ["1", "0", "-3", "NaN", "inf", "1001", "x"] {
            assert!(multiple(wrong).is_err(), "{wrong}");
        }
    }
}
