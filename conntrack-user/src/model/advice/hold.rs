//! How long entries are held, by the time that is left of their timeout.
//!
//! A packet sets an entry's time left back to the timeout T of its state. So an entry with r seconds left was last used T − r
//! seconds ago, and a table whose timeout was T' < T would not have those any more that have been idle for T' or longer. That is
//! true of any traffic and needs no model. Beyond what is observed (a longer timeout) entries are supposed to go on expiring as
//! they do.

use std::collections::BTreeMap;

use crate::model::record::Spread;

/// Idle times of entries in one state, with its timeout, added up over about the last half of the listings or more: a table that had
/// to fill first had none of its oldest entries at the start.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IdleTimes {
    timeout: f64,
    earlier: Listings,
    later: Listings,
}

/// Some listings, added up.
#[derive(Clone, Debug, Default, PartialEq)]
struct Listings {
    number: f64,
    /// By the least of each class of times left, in seconds: its end, and the entries in it.
    classes: BTreeMap<u64, (u64, f64)>,
}

/// Entries, and the standard error of that number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Held {
    pub(super) entries: f64,
    pub(super) error: f64,
}

/// The part of what is observed of idle times from which the rest is estimated.
const TAIL: f64 = 0.25;

impl IdleTimes {
    /// Starts with one listing. `scale` is what one listed entry stands for.
    pub(super) fn new(timeout_s: u64, remaining: &Spread, scale: f64) -> Option<Self> {
        let timeout = timeout_s as f64;
        (timeout_s > 0).then(|| Self {
            timeout,
            earlier: Listings::one(remaining, scale),
            later: Listings::default(),
        })
    }

    /// Adds another listing; if the timeout has changed since, it starts anew.
    pub(super) fn add(&mut self, other: Self) {
        if other.timeout != self.timeout {
            *self = other;
            return;
        }
        self.later.add(other.earlier);
        self.later.add(other.later);
        if self.later.number > self.earlier.number {
            self.earlier = std::mem::take(&mut self.later);
        }
    }

    /// Least and end of each class of times left, in seconds, and the entries in it, on average of the listings.
    fn classes(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let number = self.earlier.number + self.later.number;
        let classes = self.earlier.classes.iter().chain(&self.later.classes);
        classes.map(move |(least, (end, count))| (*least as f64, *end as f64, count / number))
    }

    pub(super) const fn timeout(&self) -> f64 {
        self.timeout
    }

    /// Entries that are held now, on average.
    pub(super) fn now(&self) -> f64 {
        self.left_between(f64::NEG_INFINITY, f64::INFINITY)
    }

    /// Entries that have been idle for so long, or longer.
    pub(super) fn idle_for(&self, seconds: f64) -> f64 {
        self.left_between(f64::NEG_INFINITY, self.timeout - seconds)
    }

    /// The seconds that are left to all of them together.
    pub(super) fn left_in_all(&self) -> f64 {
        let seconds = |(from, to, count): (f64, f64, f64)| count * (from + to) / 2.0;
        self.classes().map(seconds).sum()
    }

    /// The seconds that would be left to all of them with another timeout, each with `longest` at most.
    pub(super) fn left_with(&self, timeout_s: f64, longest: f64) -> f64 {
        let less = self.timeout - timeout_s;
        let seconds = |(from, to, count): (f64, f64, f64)| {
            let left = ((from + to) / 2.0 - less).clamp(0.0, longest);
            if to > less { count * left } else { 0.0 }
        };
        self.classes().map(seconds).sum()
    }

    /// The seconds that would be left to entries with another timeout, and how many have so many, on average of the listings.
    pub(super) fn classes_with(&self, timeout_s: f64) -> impl Iterator<Item = (f64, f64)> {
        let less = self.timeout - timeout_s;
        let left = self.classes().filter(move |(_, to, _)| *to > less);
        left.map(move |(from, to, count)| ((from + to) / 2.0 - less, count))
    }

    /// Entries that another timeout would hold.
    pub(super) fn held_with(&self, timeout_s: f64) -> Held {
        let now = self.now();
        if timeout_s <= self.timeout {
            let entries = self.left_between(self.timeout - timeout_s, f64::INFINITY);
            let part = if now > 0.0 { entries / now } else { 0.0 };
            // Whether an entry is among them is chance.
            let error = (now * part * (1.0 - part)).max(0.0).sqrt();
            return Held { entries, error };
        }
        let tail = self.timeout * TAIL;
        let last = self.left_between(0.0, tail);
        let longer = (timeout_s - self.timeout) / tail;
        Held {
            entries: now + last * longer,
            error: last.sqrt() * longer,
        }
    }

    /// Entries that expire in a second with a timeout, by those that are about to.
    pub(super) fn expire_per_s(&self, timeout_s: f64) -> f64 {
        let tail = self.timeout.min(timeout_s) * TAIL;
        let left = (self.timeout - timeout_s).max(0.0);
        match tail > 0.0 {
            true => self.left_between(left, left + tail) / tail,
            false => 0.0,
        }
    }

    /// The part, from 0 to 1, of the entries idle for `timeout_s` that are used again before they expire now, with its standard
    /// error: those a shorter timeout would forget although they live. `None` where too few were seen.
    pub(super) fn used_again_after(&self, timeout_s: f64) -> Option<(f64, f64)> {
        let width = (self.timeout - timeout_s) * TAIL;
        if width <= 0.0 {
            return None;
        }
        let left = self.timeout - timeout_s;
        let then = self.left_between(left - width, left);
        let last = self.left_between(0.0, width);
        if then < 30.0 {
            return None;
        }
        let again = 1.0 - last / then;
        let error = (last / then) * (1.0 / last.max(1.0) + 1.0 / then).sqrt();
        Some((again.clamp(0.0, 1.0), error))
    }

    /// Entries whose time left is within a range, in seconds, on average of the listings.
    fn left_between(&self, least: f64, end: f64) -> f64 {
        let within = |(from, to, count): (f64, f64, f64)| {
            let overlap = to.min(end) - from.max(least);
            count * (overlap / (to - from)).clamp(0.0, 1.0)
        };
        self.classes().map(within).sum()
    }
}

impl Listings {
    /// The classes of a record: whole seconds below 32, then 16 for each power of two. Seconds are rounded down.
    fn one(spread: &Spread, scale: f64) -> Self {
        let class = |&(least, count): &(u64, u64)| {
            let width = match least {
                0..32 => 1,
                _ => 1_u64 << (least.ilog2() - 4),
            };
            (least, (least.saturating_add(width), count as f64 * scale))
        };
        Self {
            number: 1.0,
            classes: spread.classes.iter().map(class).collect(),
        }
    }

    fn add(&mut self, more: Self) {
        self.number += more.number;
        for (least, (end, count)) in more.classes {
            self.classes.entry(least).or_insert((end, 0.0)).1 += count;
        }
    }
}
