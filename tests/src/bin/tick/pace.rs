//! The pace at which all of them work.

use std::{
    fs::File,
    io::Read,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Time between two ticks: the shortest that ctpulse takes.
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// Ticks that are measured at a time.
pub(crate) const TICKS: u32 = 200;

/// How long a program runs before it is measured.
pub(crate) const WARM: Duration = Duration::from_millis(500);

/// Opens a file, reads it and closes it, at the pace, until it is killed.
pub(crate) fn read_for_ever(file: &Path) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut due = Instant::now();
    loop {
        let mut open = File::open(file)?;
        while open.read(&mut buffer)? > 0 {}
        drop(open);
        due += PACE;
        sleep(due.saturating_duration_since(Instant::now()));
    }
}
