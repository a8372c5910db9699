//! Filters of events by their tuple: `proto=tcp,dport=443,src=10.0.0.0/8`.

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;

use crate::{
    model::event::{Family, Protocol, Tuple},
    text::Text,
};

/// A condition on a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Family(Family),
    Proto(Protocol),
    Src(IpNet),
    Dst(IpNet),
    Sport(u16),
    Dport(u16),
}

/// Conditions that must all hold. A condition on a field that the tuple does not have does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<Condition>);

impl Filter {
    /// Whether one of these passes, which are a flow before NAT and after it. Without conditions every event does, even one whose
    /// flow is unknown.
    pub fn matches_any<'a>(&self, flows: impl IntoIterator<Item = &'a Tuple>) -> bool {
        let mut flows = flows.into_iter();
        self.matches(None) || flows.any(|flow| self.matches(Some(flow)))
    }

    /// Whether a tuple passes. Without conditions every event does, even one whose tuple is unknown.
    #[must_use]
    pub fn matches(&self, tuple: Option<&Tuple>) -> bool {
        self.0
            .iter()
            .all(|condition| tuple.is_some_and(|tuple| condition.holds(tuple)))
    }
}

impl Condition {
    fn holds(self, tuple: &Tuple) -> bool {
        let within = |net: IpNet, ip: Option<IpAddr>| ip.is_some_and(|ip| net.contains(&ip));
        match self {
            Self::Family(family) => tuple.family == Some(family),
            Self::Proto(proto) => tuple.proto == Some(proto),
            Self::Src(net) => within(net, tuple.src),
            Self::Dst(net) => within(net, tuple.dst),
            Self::Sport(port) => tuple.sport == Some(port),
            Self::Dport(port) => tuple.dport == Some(port),
        }
    }
}

const KEYS: &str = "family, proto, src, sport, dst, dport";

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A condition without `=`.
    #[error("{0}: expected key=value with a key of {KEYS}")]
    NoValue(Text),
    /// A key that no tuple has.
    #[error("{0}: no such key; there are {KEYS}")]
    UnknownKey(Text),
    /// A value that is not valid for its key.
    #[error("{key}={value}: expected {expected}")]
    BadValue {
        key: &'static str,
        value: Text,
        /// What is valid.
        expected: &'static str,
    },
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        text.split(',')
            .filter(|part| !part.trim().is_empty())
            .map(condition)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn condition(text: &str) -> Result<Condition, FilterError> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| FilterError::NoValue(Text::excerpt(text)))?;
    let (key, value) = (key.trim(), value.trim());
    let wrong = |key, expected| FilterError::BadValue {
        key,
        value: Text::excerpt(value),
        expected,
    };
    let port = |key| {
        value
            .parse()
            .map_err(|_| wrong(key, "a port from 0 to 65535"))
    };
    let prefix = |key| prefix(value).ok_or_else(|| wrong(key, "an address or prefix"));
    Ok(match key {
        "family" => Condition::Family(match value {
            "ipv4" => Family::Ipv4,
            "ipv6" => Family::Ipv6,
            _ => return Err(wrong("family", "ipv4 or ipv6")),
        }),
        "proto" => Condition::Proto(
            Protocol::named(value)
                .ok_or_else(|| wrong("proto", "a protocol such as tcp, or its number"))?,
        ),
        "src" => Condition::Src(prefix("src")?),
        "dst" => Condition::Dst(prefix("dst")?),
        "sport" => Condition::Sport(port("sport")?),
        "dport" => Condition::Dport(port("dport")?),
        _ => return Err(FilterError::UnknownKey(Text::excerpt(key))),
    })
}

/// Parses a prefix, or an address as the longest prefix.
fn prefix(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(proto: u8, src: &str, dport: u16) -> Tuple {
        Tuple {
            family: Some(Family::Ipv4),
            proto: Some(Protocol(proto)),
            src: src.parse().ok(),
            dport: Some(dport),
            ..Tuple::default()
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let filter: Filter = "proto=tcp,dport=443,src=10.0.0.0/8".parse().unwrap();
        assert!(filter.matches(Some(&tuple(6, "10.1.2.3", 443))));
        assert!(!filter.matches(Some(&tuple(17, "10.1.2.3", 443))));
        assert!(!filter.matches(Some(&tuple(6, "11.1.2.3", 443))));
        assert!(!filter.matches(Some(&tuple(6, "10.1.2.3", 80))));
        assert!(!filter.matches(None));
    }

    #[test]
    fn each_condition_is_on_its_own_field() {
        let flow = Tuple {
            family: Some(Family::Ipv6),
            proto: Some(Protocol(17)),
            src: "2001:db8::1".parse().ok(),
            sport: Some(5353),
            dst: "2001:db8:1::2".parse().ok(),
            dport: Some(53),
            ..Tuple::default()
        };
        for (holds, differs) in [
            ("family=ipv6", "family=ipv4"),
            ("proto=udp", "proto=tcp"),
            ("proto=17", "proto=6"),
            ("src=2001:db8::1", "src=2001:db8:1::2"),
            ("src=2001:db8::/48", "src=2001:db8:1::/48"),
            ("sport=5353", "sport=53"),
            ("dst=2001:db8:1::/48", "dst=2001:db8::/48"),
            ("dport=53", "dport=5353"),
            (" dport = 53 , ,", "dport=53,sport=1"),
        ] {
            let matches = |text: &str| text.parse::<Filter>().unwrap().matches(Some(&flow));
            assert!(matches(holds), "{holds}");
            assert!(!matches(differs), "{differs}");
            // What the flow does not have is not what is looked for.
            let unknown = Some(&Tuple::default());
            assert!(
                !holds.parse::<Filter>().unwrap().matches(unknown),
                "{holds}"
            );
        }
    }

    #[test]
    fn a_flow_passes_before_nat_or_after_it() {
        let filter: Filter = "proto=tcp,src=10.0.0.0/8".parse().unwrap();
        let (before, after) = (tuple(6, "10.1.2.3", 443), tuple(6, "192.0.2.1", 443));
        assert!(filter.matches_any([&after, &before]));
        assert!(!filter.matches_any([&after]));
        assert!(!filter.matches_any([]));
        assert!(Filter::default().matches_any([]));
    }

    #[test]
    fn an_empty_filter_passes_everything() {
        assert!(Filter::default().matches(None));
        assert!(
            "".parse::<Filter>()
                .unwrap()
                .matches(Some(&tuple(6, "1.1.1.1", 1)))
        );
    }

    #[test]
    fn errors_name_the_condition() {
        for (text, said) in [
            ("dport", "key=value"),
            ("dport=x", "a port"),
            ("port=1", "no such key"),
            ("src=10.0.0.0/40", "an address or prefix"),
            ("proto=tpc", "a protocol"),
            ("family=ipx", "ipv4 or ipv6"),
            ("dport=\u{1b}[2J", "dport=\\u{1b}[2J: expected a port"),
        ] {
            let error = text.parse::<Filter>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
