//! The time zone that times of day are shown in.

use jiff::Timestamp;

use crate::{
    model::history::time::Nanos,
    output::{format::clock, live::app::App},
    text::Plain,
};

impl App {
    /// A time of day with `digits` fractional digits, in the zone that is shown.
    #[must_use]
    pub fn clock(&self, time: Nanos, digits: usize) -> String {
        match self.local.as_ref().filter(|_| self.view.local_time) {
            Some(zone) => clock::digits_in(time, digits, zone),
            None => clock::digits(time, digits),
        }
    }

    /// The name of that zone at the end of the window.
    #[must_use]
    pub fn zone_name(&self) -> String {
        let end = Timestamp::from_nanosecond(self.end().into());
        let local = self.local.as_ref().filter(|_| self.view.local_time);
        match (local, end) {
            // It may come from a variable.
            (Some(zone), Ok(end)) => Plain(zone.to_offset_info(end).abbreviation()).to_string(),
            _ => "UTC".to_owned(),
        }
    }

    pub(super) fn switch_zone(&mut self) {
        if self.local.is_none() {
            self.hint("the local time zone is not known: set TZ, or /etc/localtime".into());
            return;
        }
        self.view.local_time = !self.view.local_time;
        let zone = match self.view.local_time {
            true => format!("times are local: {}", self.zone_name()),
            false => "times are UTC".to_owned(),
        };
        self.hint(zone.into());
    }
}
