//! Where the eBPF programs' diagnostics and this program's own go: stderr, a line each, unless that is
//! a terminal with something else on it.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// The level below which the eBPF programs say nothing; the verifier removes what is below it.
pub const EBPF_LEVEL: u8 = aya_log::Level::Warn as u8;

/// Lines of one run after which the programs are taken to be repeating themselves.
const LINES: u32 = 20;

/// Writes to stderr.
#[derive(Clone, Copy, Debug)]
pub struct Diagnostics;

static WRITTEN: AtomicU32 = AtomicU32::new(0);
static GLOBAL: Diagnostics = Diagnostics;

/// Lines that are kept, while they are not written.
static KEPT: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Keeps what is said from now on, for [`take`]; or writes it again.
pub fn keep(keep: bool) {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = keep.then(Vec::new);
}

/// What was kept since last time.
#[must_use]
pub fn take() -> Vec<String> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.as_mut().map(std::mem::take).unwrap_or_default()
}

fn say(line: String) {
    match &mut *KEPT.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(kept) => kept.push(line),
        None => eprintln!("ctpulse: {line}"),
    }
}

/// Makes it the logger of this program and its libraries. The first call counts.
pub fn init(verbose: bool) {
    let level = if verbose {
        LevelFilter::Debug
    } else {
        LevelFilter::Warn
    };
    if log::set_logger(&GLOBAL).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for Diagnostics {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let written = WRITTEN.fetch_add(1, Ordering::Relaxed);
        if record.level() > Level::Warn || written < LINES {
            say(format!("{}: {}", record.target(), record.args()));
        } else if written == LINES {
            say("more diagnostics are not shown".to_owned());
        }
    }

    fn flush(&self) {}
}
