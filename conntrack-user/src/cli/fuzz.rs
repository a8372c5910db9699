//! What fuzzing gives to the parsers of values of options.

use super::values::{interval, kind, longest_burst, multiple, positive, probed_function};
use crate::{
    client::HttpAddress, clock::parse_duration, model::cells::GridStep, recording::Position,
    remote::Source,
};

/// One value, by every parser.
pub fn values(text: &str) {
    let _ = (kind(text), probed_function(text), positive(text));
    let _ = (interval(text), longest_burst(text), parse_duration(text));
    if let Ok(times) = multiple(text) {
        assert!(times > 1.0 && times <= 1000.0);
    }
    if let Ok(position) = text.parse::<Position>() {
        for start in [
            jiff::Timestamp::MIN,
            jiff::Timestamp::UNIX_EPOCH,
            jiff::Timestamp::MAX,
        ] {
            let _ = position.resolve(start);
        }
    }
    if let Ok(step) = text.parse::<GridStep>() {
        assert_eq!(1_000 % step.millis(), 0);
    }
    if let Ok(source) = text.parse::<Source>() {
        assert_eq!(source.to_string().parse::<Source>(), Ok(source));
    }
    if let Ok(address) = text.parse::<HttpAddress>() {
        assert!(!address.host.is_empty());
    }
}
