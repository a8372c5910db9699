//! The one sink of diagnostics: lines on stderr, or in the live view while that has the terminal.
//!
//! It never fails and never blocks. A line that stderr cannot take (a pipe that nobody reads, a stopped terminal) is dropped and
//! counted; when stderr is closed, lines are dropped silently.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    io::{self, IsTerminal, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, poll};

use crate::text::Plain;

/// The most lines kept while the live view has the terminal; it takes them several times a second.
const KEPT: usize = 1000;

/// The longest line: what a pipe that is ready takes without blocking (`PIPE_BUF` is 4096).
const LINE_BYTES: usize = 4000;

/// The most warnings of libraries and eBPF programs that are shown in a run.
const LOG_LINES: u32 = 20;

/// Writes diagnostics. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Arc<Mutex<DiagnosticsState>>);

#[derive(Debug, Default)]
struct DiagnosticsState {
    /// Lines kept for [`Diagnostics::take`]; `None`: lines go to stderr.
    kept: Option<VecDeque<String>>,
    /// Lines dropped since the last one was written.
    dropped: u64,
    /// Whether a progress line is on the terminal, to be overwritten.
    progress: bool,
    /// Warnings of libraries so far.
    logged: u32,
}

impl Diagnostics {
    /// Writes to stderr.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Installs this as the logger of the libraries, for warnings or (`verbose`) more. Only the first call has an effect.
    pub fn log(&self, verbose: bool) {
        let level = if verbose {
            LevelFilter::Debug
        } else {
            LevelFilter::Warn
        };
        if log::set_boxed_logger(Box::new(LogBridge(self.clone()))).is_ok() {
            log::set_max_level(level);
        }
    }

    /// Writes a message.
    pub fn notify(&self, message: impl fmt::Display) {
        let line = Plain(&message.to_string()).to_string();
        let mut state = self.state();
        match &mut state.kept {
            None => state.write_line(format!("ctpulse: {line}")),
            Some(kept) => {
                kept.push_back(line);
                if kept.len() > KEPT {
                    kept.pop_front();
                    state.dropped += 1;
                }
            }
        }
    }

    /// Whether stderr is a terminal.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "nothing is written")]
    pub fn is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Keeps messages for [`Self::take`] from now on, while the terminal shows something else.
    pub fn keep(&self) {
        self.state().kept = Some(VecDeque::new());
    }

    /// Writes to stderr again, starting with the kept messages.
    pub fn release(&self) {
        let mut state = self.state();
        for line in state.kept.take().into_iter().flatten() {
            state.write_line(format!("ctpulse: {line}"));
        }
    }

    /// The messages kept since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        let mut state = self.state();
        let Some(kept) = &mut state.kept else {
            return Vec::new();
        };
        let mut lines: Vec<String> = kept.drain(..).collect();
        if state.dropped > 0 {
            lines.push(format!(
                "{} messages before this one were lost",
                state.dropped
            ));
            state.dropped = 0;
        }
        lines
    }

    /// Shows a progress line in place of the previous one. Only for a stderr that is a terminal.
    pub fn progress(&self, line: &str) {
        let mut state = self.state();
        if state.kept.is_none() {
            state.progress = true;
            write_stderr(format!("\r\x1b[K{}", Plain(line)).as_bytes());
        }
    }

    /// Clears the progress line.
    pub fn end_progress(&self) {
        self.state().clear_progress();
    }

    fn state(&self) -> MutexGuard<'_, DiagnosticsState> {
        // Every update of the state is complete, so a panic in another thread did no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiagnosticsState {
    fn write_line(&mut self, mut line: String) {
        self.clear_progress();
        if self.dropped > 0 {
            let _ = write!(
                line,
                " ({} messages before this one could not be written)",
                self.dropped
            );
        }
        let mut end = line.len().min(LINE_BYTES);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push('\n');
        if write_stderr(line.as_bytes()) {
            self.dropped = 0;
        } else {
            self.dropped += 1;
        }
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.progress) {
            write_stderr(b"\r\x1b[K");
        }
    }
}

/// Writes to stderr if that does not block; returns false if it would. Errors are ignored: there is nowhere to report them.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that writes to stderr"
)]
fn write_stderr(bytes: &[u8]) -> bool {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    match poll(&mut ready, Some(&rustix::time::Timespec::default())) {
        Ok(0) => false,
        Ok(_) | Err(_) => {
            let _ = stderr.lock().write_all(bytes);
            true
        }
    }
}

/// Forwards what libraries log to [`Diagnostics`].
struct LogBridge(Diagnostics);

impl Log for LogBridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let logged = {
            let mut state = self.0.state();
            state.logged = state.logged.saturating_add(1);
            state.logged
        };
        if record.level() > Level::Warn || logged <= LOG_LINES {
            self.0
                .notify(format_args!("{}: {}", record.target(), record.args()));
        } else if logged == LOG_LINES + 1 {
            self.0.notify("more warnings are not shown");
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_messages_are_taken_once() {
        let diagnostics = Diagnostics::new();
        diagnostics.keep();
        diagnostics.notify("one");
        diagnostics.clone().notify("two");
        assert_eq!(diagnostics.take(), ["one", "two"]);
        assert!(diagnostics.take().is_empty());
    }

    #[test]
    fn kept_messages_are_bounded_and_drops_counted() {
        let diagnostics = Diagnostics::new();
        diagnostics.keep();
        for i in 0..KEPT + 5 {
            diagnostics.notify(i);
        }
        let lines = diagnostics.take();
        assert_eq!(lines.len(), KEPT + 1);
        assert_eq!(lines[0], "5");
        assert_eq!(lines[KEPT], "5 messages before this one were lost");
    }

    #[test]
    fn control_characters_are_escaped() {
        let diagnostics = Diagnostics::new();
        diagnostics.keep();
        diagnostics.notify(format!("{}: gone", "x\u{1b}]0;owned\u{7}"));
        assert_eq!(diagnostics.take(), ["x\\u{1b}]0;owned\\u{7}: gone"]);
    }
}
