//! The terminal while the live view has it: raw, on its alternate screen, and given back whatever
//! happens.

use std::{
    io::{self, BufWriter, IsTerminal as _, Stdout, Write as _},
    os::fd::{AsFd, OwnedFd},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};

use crate::output::live::{App, render};

/// Whether the terminal is ours, so that it is given back once.
static OURS: AtomicBool = AtomicBool::new(false);

/// Whether there is somebody to look, and a keyboard to ask.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdout().is_terminal() && keyboard().is_ok()
}

/// The terminal that keys come from: stdin, or the controlling terminal when stdin is something else.
///
/// # Errors
///
/// When there is none.
pub fn keyboard() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        stdin.as_fd().try_clone_to_owned()
    } else {
        let tty = std::fs::File::open("/dev/tty")?;
        Ok(tty.into())
    }
}

/// The terminal, as long as this lives.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal. A panic gives it back before its message is written.
    ///
    /// # Errors
    ///
    /// When stdout is no terminal, or there is none to get keys from.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        take()?;
        let backend = CrosstermBackend::new(BufWriter::new(io::stdout()));
        let terminal = Terminal::new(backend);
        if terminal.is_err() {
            give_back();
        }
        Ok(Self {
            terminal: terminal?,
        })
    }

    /// Draws the state.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be written to.
    pub fn draw(&mut self, app: &App) -> io::Result<()> {
        self.terminal.draw(|frame| render(app, frame)).map(drop)
    }

    /// Takes the terminal again, after somebody else had it, with nothing on it.
    ///
    /// # Errors
    ///
    /// When it cannot be had.
    pub fn again(&mut self) -> io::Result<()> {
        take()?;
        // Clears it, too; `Terminal::clear` would ask the terminal where its cursor is, and wait.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Gives the terminal back, stops until continued, and takes it again.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub fn suspend(&mut self, whom: Whom) -> io::Result<()> {
        give_back();
        stop(whom)?;
        self.again()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    if OURS.swap(true, Ordering::SeqCst) {
        // It was ours all the time, as far as we know; a shell may have changed it while we were
        // stopped.
        disable_raw_mode()?;
    }
    let taken = enable_raw_mode().and_then(|()| execute!(io::stdout(), EnterAlternateScreen));
    if taken.is_err() {
        give_back();
    }
    taken
}

fn give_back() {
    if OURS.swap(false, Ordering::SeqCst) {
        // Nobody can be told that it failed.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
        let _ = io::stdout().flush();
    }
}

/// Who is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
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
