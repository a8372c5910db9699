//! What options take: parsed, and refused with what would do.

use std::{str::FromStr, time::Duration};

use conntrack_ebpf::EventKind;

use crate::{
    clock::parse_duration,
    model::event::{kind_name, kind_named},
    probes::spec::wanted_functions,
};

/// A choice of network namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// The one ctpulse runs in.
    This,
    /// All that have a name or a process, and those that come.
    All,
    /// One by its name, process id or path.
    Other(String),
}

impl FromStr for Netns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("expected self, all, a name, a process id or a path".to_owned()),
            "self" => Ok(Self::This),
            "all" => Ok(Self::All),
            _ => Ok(Self::Other(text.to_owned())),
        }
    }
}

pub(super) fn kind(text: &str) -> Result<EventKind, String> {
    kind_named(text).ok_or_else(|| {
        let names: Vec<&str> = EventKind::ALL.into_iter().map(kind_name).collect();
        format!("no such kind; there are {}", names.join(", "))
    })
}

pub(super) fn probed_function(text: &str) -> Result<String, String> {
    let functions = wanted_functions();
    if functions.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("not probed; there are {}", functions.join(", ")))
    }
}

pub(super) fn positive(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        None => Err("expected a time such as 100ms, 2.5s or 1m".to_owned()),
        Some(Duration::ZERO) => Err("must be more than zero".to_owned()),
        Some(duration) => Ok(duration),
    }
}

pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let interval = positive(text)?;
    if (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&interval) {
        Ok(interval)
    } else {
        Err("must be from 10ms to 1h".to_owned())
    }
}

pub(super) fn multiple(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(times) if times > 1.0 && times <= 1000.0 => Ok(times),
        _ => Err("must be a number above 1, up to 1000".to_owned()),
    }
}

pub(super) fn longest_burst(text: &str) -> Result<Duration, String> {
    let longest = positive(text)?;
    if (Duration::from_millis(300)..=Duration::from_secs(10)).contains(&longest) {
        Ok(longest)
    } else {
        Err("must be from 300ms to 10s".to_owned())
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
