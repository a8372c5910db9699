//! Windows of the wall clock: they start and end at multiples of their length since 1970.

/// A length of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    /// Its name, as in `window="10s"`.
    pub label: &'static str,
    /// In nanoseconds.
    pub length: i64,
}

/// The lengths of windows: one for scrapes every few seconds, one for the usual scrape of 15 s to 1 minute.
pub const WINDOWS: [WindowSpec; 2] = [
    WindowSpec {
        label: "10s",
        length: 10_000_000_000,
    },
    WindowSpec {
        label: "60s",
        length: 60_000_000_000,
    },
];

impl WindowSpec {
    /// The end of the window that contains a time, in nanoseconds since 1970.
    #[must_use]
    pub fn end_of(&self, time: i64) -> i64 {
        (time.div_euclid(self.length) + 1) * self.length
    }
}

/// A value for each length of windows, in the order of [`WINDOWS`].
pub type PerWindow<T> = [T; WINDOWS.len()];
