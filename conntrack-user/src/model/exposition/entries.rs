//! The most entries in each window of the clock.

use super::windows::{PerWindow, WINDOWS};

/// The number of entries over time.
#[derive(Debug, Default)]
pub(super) struct EntriesTrack {
    /// Since when each sample had the number, in nanoseconds since 1970.
    since: Option<i64>,
    open: PerWindow<Option<OpenMost>>,
}

/// The most entries in a window that is not over.
#[derive(Clone, Copy, Debug)]
struct OpenMost {
    /// The window's end.
    end: i64,
    most: u64,
}

impl EntriesTrack {
    /// Takes the number of entries at a time; `None` if it could not be read. `complete` is the most in the last complete window of
    /// each length.
    pub(super) fn take(
        &mut self,
        time: i64,
        entries: Option<u64>,
        complete: &mut PerWindow<Option<u64>>,
    ) {
        let Some(entries) = entries else {
            self.restart();
            *complete = Default::default();
            return;
        };
        let since = *self.since.get_or_insert(time);
        for ((spec, open), complete) in WINDOWS.iter().zip(&mut self.open).zip(complete) {
            let end = spec.end_of(time);
            match open {
                Some(window) if window.end == end => window.most = window.most.max(entries),
                _ => {
                    if let Some(window) = open {
                        // A window that was not seen whole, or in which there was no sample, has no most.
                        let whole = since <= window.end - spec.length;
                        let last = window.end == end - spec.length;
                        *complete = (whole && last).then_some(window.most);
                    }
                    *open = Some(OpenMost { end, most: entries });
                }
            }
        }
    }

    /// Starts anew: time has jumped.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }
}
