//! Goes through a recording in time: which part, and how fast. What every way of showing it shares.

use std::{collections::VecDeque, io::Read, str::FromStr, time::Duration};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::{
    model::record::Record,
    recording::{
        block::Header,
        reader::{Damage, Ending, Item, ReadError, Reader},
    },
};

/// How much earlier than a recording's begin a time of day may be and still be of its first day.
const HALF_A_DAY: SignedDuration = SignedDuration::from_hours(12);

/// A place in a recording, as a user gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Position {
    /// A moment.
    At(Timestamp),
    /// A time of day in UTC, as text output has it: of the day the recording begins, or of the next.
    TimeOfDay(civil::Time),
    /// So long after the begin.
    After(Duration),
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(offset) = text.strip_prefix('+') {
            return offset
                .parse::<SignedDuration>()
                .ok()
                .and_then(|offset| Duration::try_from(offset).ok())
                .map(Self::After)
                .ok_or_else(|| "expected a time after the + such as +2.5s or +1m".to_owned());
        }
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        text.parse().map(Self::TimeOfDay).map_err(|_| {
            "expected +2.5s (after the begin), 22:46:48.5 (UTC), or 2026-01-02T22:46:48.5Z"
                .to_owned()
        })
    }
}

impl Position {
    /// The moment it is in a recording that begins at `begin`.
    #[must_use]
    pub fn resolve(self, begin: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::After(offset) => begin.saturating_add(offset).unwrap_or(Timestamp::MAX),
            Self::TimeOfDay(time) => {
                let day = TimeZone::UTC.to_datetime(begin).date();
                let on = |day: civil::Date| {
                    TimeZone::UTC
                        .to_timestamp(day.to_datetime(time))
                        .unwrap_or(begin)
                };
                let same = on(day);
                if begin.duration_since(same) > HALF_A_DAY {
                    day.tomorrow().map_or(same, on)
                } else {
                    same
                }
            }
        }
    }
}

/// How fast a recording is gone through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as it can be read.
    Max,
    /// So many times as fast as it happened.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err("expected max, or a number above 0 such as 1 or 10".to_owned()),
        }
    }
}

/// When records are due: pure, in time since the replay began.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    speed: Speed,
    begin: Option<Timestamp>,
}

impl Pace {
    /// A pace that begins with the first moment it is asked for.
    #[must_use]
    pub fn new(speed: Speed) -> Self {
        Self { speed, begin: None }
    }

    /// When a record of this moment is due.
    pub fn due(&mut self, moment: Timestamp) -> Duration {
        let begin = *self.begin.get_or_insert(moment);
        match self.speed {
            Speed::Max => Duration::ZERO,
            Speed::Times(times) => Duration::try_from(moment.duration_since(begin))
                .ok()
                .and_then(|since| Duration::try_from_secs_f64(since.as_secs_f64() / times).ok())
                .unwrap_or_default(),
        }
    }
}

/// A line of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// As it was written.
    pub line: String,
    /// What it says; `None` when this version does not know such records.
    pub record: Option<Record>,
}

impl Entry {
    fn new(line: &str) -> Self {
        Self {
            line: line.to_owned(),
            record: serde_json::from_str(line).ok(),
        }
    }

    /// The moment it is about.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.record.as_ref()?.time().map(|time| time.0)
    }
}

/// Something to show.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A line.
    Entry(Box<Entry>),
    /// A part that cannot be read.
    Damage(Damage),
}

/// Reads the wanted part of a recording, line by line.
///
/// What says what is watched (`hello`) is given even when it was said before the part. The summary is that
/// of the whole recording, so a part has none.
pub struct Player<R> {
    reader: Reader<R>,
    from: Option<Position>,
    to: Option<Position>,
    /// The part's ends, once the begin of the recording is known.
    span: Option<(Timestamp, Timestamp)>,
    begin: Option<Timestamp>,
    ahead: VecDeque<Step>,
    hello: Option<Entry>,
    unknown: u64,
}

impl<R: Read> Player<R> {
    /// The part of a recording between two places.
    pub fn new(input: R, from: Option<Position>, to: Option<Position>) -> Self {
        Self {
            reader: Reader::new(input),
            from,
            to,
            span: None,
            begin: None,
            ahead: VecDeque::new(),
            hello: None,
            unknown: 0,
        }
    }

    /// The next line, or damage; `None` at the end of the part.
    ///
    /// # Errors
    ///
    /// As [`Reader::next`].
    pub fn next_step(&mut self) -> Result<Option<Step>, ReadError> {
        loop {
            if let Some(step) = self.ahead.pop_front() {
                return Ok(Some(step));
            }
            let (from, to) = (self.from, self.to);
            let (begin, span) = (&mut self.begin, &mut self.span);
            let item = self.reader.next(|header: &Header| {
                let Some((first, last)) = header.times else {
                    return true;
                };
                let begin = *begin.get_or_insert(first);
                let (from, to) = *span.get_or_insert((
                    from.map_or(Timestamp::MIN, |from| from.resolve(begin)),
                    to.map_or(Timestamp::MAX, |to| to.resolve(begin)),
                ));
                header.greets || (last >= from && first <= to)
            })?;
            match item {
                None => return Ok(None),
                Some(Item::Damage(damage)) => return Ok(Some(Step::Damage(damage))),
                Some(Item::Lines(_, lines)) => {
                    for line in lines.lines() {
                        self.take(Entry::new(line));
                    }
                }
            }
        }
    }

    /// Queues a line if it is wanted.
    fn take(&mut self, entry: Entry) {
        let part = self.from.is_some() || self.to.is_some();
        let within = |time| {
            self.span
                .is_none_or(|(from, to)| (from..=to).contains(&time))
        };
        match (&entry.record, entry.time()) {
            (Some(Record::Hello(_)), _) => {
                self.hello = Some(entry);
                // The whole recording is given as it is.
                if !part {
                    self.greet();
                }
                return;
            }
            (Some(Record::Summary(_)), _) if part => return,
            (_, Some(time)) if !within(time) => return,
            (None, _) => self.unknown += 1,
            _ => {}
        }
        self.greet();
        self.ahead.push_back(Step::Entry(Box::new(entry)));
    }

    fn greet(&mut self) {
        if let Some(hello) = self.hello.take() {
            self.ahead.push_back(Step::Entry(Box::new(hello)));
        }
    }

    /// How the recording ends; to be asked at the end.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.reader.ending()
    }

    /// The greatest time there is in what was gone through.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.reader.latest()
    }

    /// The recording's begin, once something with a time was read.
    #[must_use]
    pub fn begin(&self) -> Option<Timestamp> {
        self.begin
    }

    /// Lines given whose records this version does not know.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn positions() {
        let begin = at("2026-01-02T22:00:00Z");
        let resolve = |text: &str| text.parse::<Position>().unwrap().resolve(begin);
        assert_eq!(resolve("+2.5s"), at("2026-01-02T22:00:02.5Z"));
        assert_eq!(resolve("+0s"), begin);
        assert_eq!(resolve("22:46:48.5"), at("2026-01-02T22:46:48.5Z"));
        assert_eq!(resolve("21:59"), at("2026-01-02T21:59:00Z"));
        assert_eq!(resolve("00:10"), at("2026-01-03T00:10:00Z"));
        assert_eq!(resolve("2026-01-02T23:00:00+01:00"), begin);
        for wrong in ["", "+", "soon", "+-1s", "25:00", "-1s"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn speeds() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("0.5".parse(), Ok(Speed::Times(0.5)));
        for wrong in ["0", "-1", "fast", "inf", "NaN"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ten_times_as_fast_is_a_tenth_of_the_time() {
        let mut pace = Pace::new(Speed::Times(10.0));
        assert_eq!(pace.due(at("2026-01-02T22:00:00Z")), Duration::ZERO);
        assert_eq!(
            pace.due(at("2026-01-02T22:00:05Z")),
            Duration::from_millis(500)
        );
        // The clock was set back meanwhile.
        assert_eq!(pace.due(at("2026-01-02T21:00:00Z")), Duration::ZERO);
    }
}
