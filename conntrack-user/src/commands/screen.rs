//! The terminal while the live view has it: raw, on its alternate screen, and given back whatever happens.

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

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        Command as _,
        cursor::Show,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
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

/// Whether the terminal is ours, so that it is given back once.
static OURS: AtomicBool = AtomicBool::new(false);

/// How long the last picture is waited for.
const LAST_PICTURE: Duration = Duration::from_millis(400);

/// Whether there is a terminal to show something on, and a keyboard to ask.
#[must_use]
pub(super) fn is_interactive() -> bool {
    stdout().is_terminal() && keyboard().is_ok()
}

/// The terminal that keys come from: stdin, or the controlling terminal when stdin is something else.
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

/// The terminal, as long as this lives.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Outlet>>,
    outlet: Outlet,
}

impl Screen {
    /// Takes the terminal. A panic gives it back before its message is written.
    pub(super) fn enter(outlet: Outlet) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        take(&outlet)?;
        let terminal = Terminal::new(CrosstermBackend::new(outlet.clone()));
        if terminal.is_err() {
            give_back();
        }
        Ok(Self {
            terminal: terminal?,
            outlet,
        })
    }

    /// Draws the state, unless the terminal has not taken the picture before yet; whether it was drawn.
    pub(super) fn draw(&mut self, app: &App) -> io::Result<bool> {
        if !self.outlet.is_drained() {
            return Ok(false);
        }
        self.terminal.draw(|frame| render(app, frame))?;
        Ok(true)
    }

    /// Takes the terminal again, after something else had it, with nothing on it.
    pub(super) fn again(&mut self) -> io::Result<()> {
        take(&self.outlet)?;
        // Clears it, too; `Terminal::clear` would ask the terminal where its cursor is, and wait.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Gives the terminal back, stops until continued, and takes it again.
    pub(super) async fn suspend(&mut self, whom: Whom) -> io::Result<()> {
        self.wait_for_picture().await;
        give_back();
        stop(whom)?;
        self.again()
    }

    /// Gives the terminal back.
    pub(super) async fn leave(self) {
        self.wait_for_picture().await;
    }

    /// So that no rest of a picture comes after the terminal was given back.
    async fn wait_for_picture(&self) {
        // A terminal that takes nothing is given back all the same.
        let _ = self.outlet.drained_within(LAST_PICTURE).await;
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take(outlet: &Outlet) -> io::Result<()> {
    if OURS.swap(true, Ordering::SeqCst) {
        // It was ours all the time, as far as we know; a shell may have changed it while we were stopped.
        disable_raw_mode()?;
    }
    let taken = enable_raw_mode().and_then(|()| execute!(outlet.clone(), EnterAlternateScreen));
    if taken.is_err() {
        give_back();
    }
    taken
}

/// Gives the terminal back, if it is ours. Waits for nothing: it is also what is done before an end by force.
pub(super) fn give_back() {
    if !OURS.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut restore = String::new();
    // Writing to a string cannot fail.
    let _ = LeaveAlternateScreen.write_ansi(&mut restore);
    let _ = Show.write_ansi(&mut restore);
    let stdout = stdout();
    let mut ready = [PollFd::new(&stdout, PollFlags::OUT)];
    // Nobody can be told that it failed.
    if poll(&mut ready, Some(&Timespec::default())) == Ok(1) {
        let mut stdout = stdout.lock();
        let _ = stdout.write_all(restore.as_bytes());
        let _ = stdout.flush();
    }
    let _ = disable_raw_mode();
}

/// Who is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// All that the shell started with us, as its Ctrl-Z does.
    Group,
    /// This process.
    This,
}

/// Stops, as SIGTSTP does by default: not when no shell is there that could continue us.
fn stop(whom: Whom) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: SIG_DFL, no flags, an empty mask.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above; it is overwritten.
    let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: both point to a sigaction each; the default action runs no code of ours.
    if unsafe { libc::sigaction(libc::SIGTSTP, &default, &mut ours) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let stopped = match whom {
        Whom::Group => kill_current_process_group(Signal::TSTP),
        Whom::This => kill_process(getpid(), Signal::TSTP),
    };
    // SAFETY: `ours` is the action that was in place before.
    if unsafe { libc::sigaction(libc::SIGTSTP, &ours, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(stopped?)
}
