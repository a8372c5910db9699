//! A real terminal: a shell in tmux, keys typed at it, and what is then on its screen.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::program::PATIENCE;

/// Time between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A shell with job control in a terminal of its own.
pub(crate) struct Terminal {
    socket: String,
}

impl Terminal {
    /// Opens one of this size, whose shell has these variables.
    pub(crate) fn open(columns: u16, rows: u16, environment: &[(&str, &str)]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let terminal = Self {
            socket: format!("ctpulse-test-{}-{number}", std::process::id()),
        };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        // A backtrace would push what is looked for off the screen.
        let mut shell = "exec env RUST_BACKTRACE=0 PS1='ready> '".to_owned();
        for (name, value) in environment {
            shell.push_str(&format!(" {name}={value}"));
        }
        shell.push_str(" sh -i");
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            &shell,
        ])?;
        // Attached to nothing, it would follow no size but that of its creation.
        terminal.tmux(&["set-option", "-g", "window-size", "manual"])?;
        terminal.wait_for_text("ready>")?;
        Ok(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Result<String> {
        let output = Command::new("tmux")
            .env_remove("TMUX")
            .args(["-L", &self.socket])
            .args(args)
            .output()
            .context("cannot run tmux: `cargo xtask test` installs it as root")?;
        ensure!(
            output.status.success(),
            "tmux {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Types a line, and Enter.
    pub(crate) fn type_line(&self, line: &str) -> Result<()> {
        self.type_text(line)?;
        self.press("Enter")
    }

    /// Types text.
    pub(crate) fn type_text(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", text]).map(drop)
    }

    /// Presses a key, by tmux's name for it.
    pub(crate) fn press(&self, key: &str) -> Result<()> {
        self.tmux(&["send-keys", key]).map(drop)
    }

    /// Gives it another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let (x, y) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &x, "-y", &y]).map(drop)
    }

    /// What is on its screen.
    pub(crate) fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The same, with its colours and attributes as escape sequences.
    pub(crate) fn screen_with_attributes(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// One of tmux's variables.
    fn variable(&self, name: &str) -> Result<String> {
        let format = format!("#{{{name}}}");
        Ok(self
            .tmux(&["display-message", "-p", &format])?
            .trim()
            .to_owned())
    }

    /// The title that something has given its window.
    pub(crate) fn title(&self) -> Result<String> {
        self.variable("pane_title")
    }

    /// Lets programs put text into tmux's buffer, as terminals let them put it into the clipboard.
    pub(crate) fn allow_clipboard(&self) -> Result<()> {
        self.tmux(&["set-option", "-g", "set-clipboard", "on"])
            .map(drop)
    }

    /// What was put there last.
    pub(crate) fn clipboard(&self) -> Result<String> {
        // Without any buffer this fails.
        Ok(self.tmux(&["show-buffer"]).unwrap_or_default())
    }

    /// Whether something has the whole screen for itself.
    pub(crate) fn is_taken(&self) -> Result<bool> {
        Ok(self.variable("alternate_on")? == "1")
    }

    /// Whether something wants to know of the mouse.
    pub(crate) fn wants_mouse(&self) -> Result<bool> {
        Ok(self.variable("mouse_any_flag")? == "1")
    }

    /// Whether the cursor is shown.
    pub(crate) fn has_cursor(&self) -> Result<bool> {
        Ok(self.variable("cursor_flag")? == "1")
    }

    /// Waits until something is as it should be.
    pub(crate) fn wait(&self, what: &str, mut is: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is(self)? {
            if Instant::now() >= deadline {
                bail!(
                    "no {what} within {PATIENCE:?}; the screen is\n{}",
                    self.screen()?
                );
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Waits until a text is on the screen.
    pub(crate) fn wait_for_text(&self, text: &str) -> Result<()> {
        self.wait(&format!("{text:?}"), |t| Ok(t.screen()?.contains(text)))
    }

    /// Waits until the shell has its terminal back as it was: its screen, its cursor, lines with echo.
    pub(crate) fn wait_until_given_back(&self) -> Result<()> {
        self.wait("shell", |t| Ok(!t.is_taken()? && t.has_cursor()?))?;
        // Lines are lines, characters are echoed, and Ctrl-C is a signal.
        self.type_line(
            "clear; stty -a | tr ' ' '\\n' | grep -x -e icanon -e echo -e isig | tr '\\n' '+'",
        )?;
        self.wait_for_text("isig+icanon+echo+")
    }

    /// The process that the shell has started.
    pub(crate) fn child(&self) -> Result<Pid> {
        let shell = self.variable("pane_pid")?;
        let path = format!("/proc/{shell}/task/{shell}/children");
        let children = fs::read_to_string(&path).with_context(|| path.clone())?;
        let child = children
            .split_whitespace()
            .next()
            .and_then(|pid| pid.parse().ok());
        child
            .and_then(Pid::from_raw)
            .with_context(|| format!("the shell has no child: {path}"))
    }

    /// Sends a signal to that.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.child()?, signal).context("cannot signal ctpulse")
    }

    /// Waits until that is stopped.
    pub(crate) fn wait_until_stopped(&self) -> Result<()> {
        self.wait("stopped process", |t| {
            let path = format!("/proc/{}/stat", t.child()?.as_raw_nonzero());
            let stat = fs::read_to_string(&path).context(path)?;
            Ok(stat
                .rsplit(')')
                .next()
                .is_some_and(|rest| rest.starts_with(" T")))
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // With it, all that runs in it.
        let _ = self.tmux(&["kill-server"]);
    }
}
