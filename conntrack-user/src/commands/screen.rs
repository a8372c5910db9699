//! The terminal while the live view uses it: in raw mode, on the alternate screen, and always restored.

use std::{
    io::{self, IsTerminal as _, Write as _},
    os::fd::{AsFd, OwnedFd},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        Command as _,
        cursor::Show,
        event::{DisableMouseCapture, EnableMouseCapture},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
    layout::{Position, Rect},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, getpid, kill_current_process_group, kill_process},
};

use super::stdout;
use crate::{
    engine::outlet::Outlet,
    output::live::{App, render},
};

/// Whether the terminal is in raw mode, so that it is restored once.
static ACQUIRED: AtomicBool = AtomicBool::new(false);

/// Whether the mouse is used.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// The timeout of the last frame.
const LAST_FRAME: Duration = Duration::from_millis(400);

/// Whether stdout is a terminal, and there is a keyboard.
#[must_use]
pub(super) fn is_interactive() -> bool {
    stdout().is_terminal() && keyboard().is_ok()
}

/// The terminal that keys come from: stdin, or the controlling terminal when stdin is redirected.
#[expect(clippy::disallowed_methods, reason = "a terminal is no regular file")]
pub(super) fn keyboard() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        stdin.as_fd().try_clone_to_owned()
    } else {
        let tty = std::fs::File::open("/dev/tty")?;
        Ok(tty.into())
    }
}

/// The terminal, restored when this is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Outlet>>,
    outlet: Outlet,
}

impl Screen {
    /// Switches the terminal to raw mode and the alternate screen. A panic hook restores it before the panic's message is
    /// written.
    pub(super) fn enter(outlet: Outlet, mouse: bool) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        MOUSE.store(mouse, Ordering::SeqCst);
        acquire(&outlet)?;
        let terminal = Terminal::new(CrosstermBackend::new(outlet.clone()));
        if terminal.is_err() {
            restore();
        }
        Ok(Self {
            terminal: terminal?,
            outlet,
        })
    }

    /// Draws the state, unless the previous frame is not written yet; returns whether it was drawn.
    pub(super) fn draw(&mut self, app: &App) -> io::Result<bool> {
        if !self.outlet.is_drained() {
            return Ok(false);
        }
        self.terminal.draw(|frame| render(app, frame))?;
        Ok(true)
    }

    /// The size of the terminal.
    pub(super) fn area(&self) -> io::Result<Rect> {
        Ok(Rect::from((Position::ORIGIN, self.terminal.size()?)))
    }

    /// Puts text into the terminal's clipboard (OSC 52), if the terminal allows that: it gives no answer. The text must be
    /// neutralised.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        write!(self.outlet, "\x1b]52;c;{}\x07", STANDARD.encode(text))?;
        self.outlet.flush()
    }

    /// Switches the terminal again, after another program had it, and clears it.
    pub(super) fn reacquire(&mut self) -> io::Result<()> {
        acquire(&self.outlet)?;
        // `resize` clears it, too; `Terminal::clear` would query the cursor and wait for the answer.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Restores the terminal, stops until continued, and switches the terminal again.
    pub(super) async fn suspend(&mut self, target: StopTarget) -> io::Result<()> {
        self.wait_for_frame().await;
        restore();
        stop(target)?;
        self.reacquire()
    }

    /// Restores the terminal.
    pub(super) async fn leave(self) {
        self.wait_for_frame().await;
    }

    /// Waits for the last frame, so that none of it is written after the terminal was restored.
    async fn wait_for_frame(&self) {
        // The terminal is restored even if it is stuck.
        let _ = self.outlet.drained_within(LAST_FRAME).await;
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn acquire(outlet: &Outlet) -> io::Result<()> {
    if ACQUIRED.swap(true, Ordering::SeqCst) {
        // We were stopped, and the shell may have changed the mode: start from the normal one.
        disable_raw_mode()?;
    }
    let taken = enable_raw_mode().and_then(|()| {
        execute!(outlet.clone(), EnterAlternateScreen)?;
        if MOUSE.load(Ordering::SeqCst) {
            execute!(outlet.clone(), EnableMouseCapture)?;
        }
        Ok(())
    });
    if taken.is_err() {
        restore();
    }
    taken
}

/// Restores the terminal, if it is in raw mode. Never blocks: it also runs before a forced exit.
pub(super) fn restore() {
    if !ACQUIRED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut sequence = String::new();
    // Writing to a string cannot fail.
    if MOUSE.load(Ordering::SeqCst) {
        let _ = DisableMouseCapture.write_ansi(&mut sequence);
    }
    let _ = LeaveAlternateScreen.write_ansi(&mut sequence);
    let _ = Show.write_ansi(&mut sequence);
    let stdout = stdout();
    let mut ready = [PollFd::new(&stdout, PollFlags::OUT)];
    // An error cannot be reported: this is the terminal.
    if poll(&mut ready, Some(&Timespec::default())) == Ok(1) {
        let mut stdout = stdout.lock();
        let _ = stdout.write_all(sequence.as_bytes());
        let _ = stdout.flush();
    }
    let _ = disable_raw_mode();
}

/// Which processes stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopTarget {
    /// The process group, as Ctrl-Z in a shell does.
    Group,
    /// This process only.
    Process,
}

/// Stops as SIGTSTP does by default: the kernel ignores it when there is no shell to continue us.
fn stop(target: StopTarget) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: SIG_DFL, no flags, an empty mask.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above; it is overwritten.
    let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: both point to a sigaction each; the default action runs no code of ours.
    if unsafe { libc::sigaction(libc::SIGTSTP, &default, &mut ours) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let stopped = match target {
        StopTarget::Group => kill_current_process_group(Signal::TSTP),
        StopTarget::Process => kill_process(getpid(), Signal::TSTP),
    };
    // SAFETY: `ours` is the action that was in place before.
    if unsafe { libc::sigaction(libc::SIGTSTP, &ours, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(stopped?)
}
