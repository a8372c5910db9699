//! The live view on a real terminal: keys, sizes, and a terminal that is given back whatever happens.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::{program, tmux::Terminal, tree::Tree};

const PLAIN: &[(&str, &str)] = &[("TERM", "screen-256color"), ("LC_ALL", "C.UTF-8")];

/// What is on every screen of the live view of a fixture.
const SHOWN: &str = "table ";

/// The live view in a terminal, on a fixture.
struct Live {
    terminal: Terminal,
    _tree: Tree,
}

impl Live {
    fn start(columns: u16, rows: u16, environment: &[(&str, &str)], args: &str) -> Result<Self> {
        let tree = Tree::of("6.1/t0")?;
        let root = tree.root();
        let root = root.to_str().context("the path is no UTF-8")?;
        let program = program::path()?;
        let terminal = Terminal::open(columns, rows, environment)?;
        terminal.type_line(&format!(
            "{} live --proc-root {root} {args}; echo status $?",
            program.display()
        ))?;
        terminal.wait_for_text(SHOWN)?;
        terminal.wait("screen", Terminal::is_taken)?;
        Ok(Self {
            terminal,
            _tree: tree,
        })
    }
}

#[test]
fn keys_do_what_the_help_says() -> Result<()> {
    let Live { terminal, _tree } = Live::start(100, 30, PLAIN, "")?;
    terminal.press("?")?;
    terminal.wait_for_text("this help")?;
    terminal.press("Escape")?;
    terminal.press("3")?;
    terminal.wait_for_text("netfilter.conntrack_changes")?;
    terminal.press("3")?;
    terminal.press("Space")?;
    terminal.wait_for_text("PAUSED")?;
    terminal.press("Space")?;
    terminal.press("/")?;
    terminal.wait_for_text("filter: ")?;
    terminal.type_line("table_full")?;
    terminal.wait_for_text("filter: table_full")?;
    // The window is some seconds until it is zoomed.
    while !terminal.screen()?.contains(" 500 ms") {
        let before = terminal.screen()?;
        terminal.press("+")?;
        let footer = |screen: &str| screen.lines().last().map(str::to_owned);
        terminal.wait("shorter window", |t| {
            Ok(footer(&t.screen()?) != footer(&before))
        })?;
    }
    terminal.press("q")?;
    terminal.wait_for_text("status 0")?;
    // The totals of the run stay.
    ensure!(
        terminal.screen()?.contains("self, "),
        "{}",
        terminal.screen()?
    );
    terminal.wait_until_given_back()
}

#[test]
fn without_a_command_a_terminal_gets_it() -> Result<()> {
    let terminal = Terminal::open(100, 30, PLAIN)?;
    terminal.type_line(&format!("{}; echo status $?", program::path()?.display()))?;
    terminal.wait_for_text("q quit")?;
    terminal.press("C-c")?;
    terminal.wait_for_text("status 0")?;
    terminal.wait_until_given_back()
}

#[test]
fn any_size_and_back() -> Result<()> {
    let Live { terminal, _tree } = Live::start(80, 24, PLAIN, "")?;
    for (columns, rows) in [(1, 1), (300, 80), (20, 5), (80, 24)] {
        terminal.resize(columns, rows)?;
        if columns > 1 {
            terminal.wait_for_text("92.")?;
        }
        if columns >= 80 {
            terminal.wait_for_text("connections")?;
            let footer = |t: &Terminal| -> Result<bool> {
                let screen = t.screen()?;
                Ok(screen.lines().count() == usize::from(rows)
                    && screen.lines().last().is_some_and(|l| l.contains("q quit")))
            };
            terminal.wait("footer at the bottom", footer)?;
        }
    }
    terminal.press("q")?;
    terminal.wait_for_text("status 0")?;
    terminal.wait_until_given_back()
}

#[test]
fn signals_end_it_and_give_the_terminal_back() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let tree = Tree::of("6.1/t0")?;
        let root = tree.root();
        let root = root.to_str().context("the path is no UTF-8")?;
        let program = program::path()?;
        let terminal = Terminal::open(100, 30, PLAIN)?;
        // All that can be set of it, and not as it is by default.
        terminal.type_line("stty -ixon -iutf8 intr ^X; before=$(stty -g)")?;
        terminal.type_line(&format!(
            "{} live --proc-root {root}; echo status $?; [ \"$before\" = \"$(stty -g)\" ] && echo as $((40 + 2)) before",
            program.display()
        ))?;
        terminal.wait_for_text(SHOWN)?;
        terminal.wait("screen", Terminal::is_taken)?;
        terminal.signal(signal)?;
        terminal.wait_for_text("status 0")?;
        terminal.wait_for_text("as 42 before")?;
        let screen = terminal.screen()?;
        ensure!(screen.contains("self, "), "no summary: {screen}");
        terminal.wait_until_given_back()?;
    }
    Ok(())
}

#[test]
fn it_ends_with_its_terminal() -> Result<()> {
    // A terminal that is gone: SIGHUP comes, or was left to others (nohup) and what is read or drawn fails.
    for before in ["", "trap '' HUP; "] {
        let tree = Tree::of("6.1/t0")?;
        let root = tree.root();
        let root = root.to_str().context("the path is no UTF-8")?;
        let terminal = Terminal::open(100, 30, PLAIN)?;
        let program = program::path()?;
        terminal.type_line(&format!(
            "{before}{} live --proc-root {root}",
            program.display()
        ))?;
        terminal.wait_for_text(SHOWN)?;
        let pid = terminal.child()?.as_raw_nonzero();
        drop(terminal);
        let deadline = Instant::now() + program::PATIENCE;
        while fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
        {
            ensure!(Instant::now() < deadline, "{before}: it lives on");
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

#[test]
fn what_a_command_prints_is_a_message_and_not_on_the_picture() -> Result<()> {
    // The table is nearly full, so that there is an alert at once.
    let command = "echo printed; printf \"\\033[2Jcleared\" >&2; exit 3";
    let Live { terminal, _tree } = Live::start(200, 40, PLAIN, &format!("--on-alert '{command}'"))?;
    terminal.wait_for_text("--on-alert: printed")?;
    terminal.wait_for_text("--on-alert: \\u{1b}[2Jcleared")?;
    terminal.wait_for_text("the command ended with")?;
    // Nothing went over it.
    let picture = terminal.screen()?;
    let rows: Vec<&str> = picture.lines().collect();
    ensure!(rows[0].starts_with("ctpulse "), "{picture}");
    ensure!(rows[1].starts_with(SHOWN), "{picture}");
    ensure!(rows[39].contains("q quit"), "{picture}");
    ensure!(terminal.is_taken()?, "{picture}");
    terminal.press("q")?;
    terminal.wait_for_text("status 0")?;
    terminal.wait_until_given_back()
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_read() -> Result<()> {
    let Live { terminal, _tree } = Live::start(120, 40, PLAIN, "--panic-on-key x")?;
    terminal.press("x")?;
    terminal.wait_for_text("status 101")?;
    let screen = terminal.screen()?;
    ensure!(screen.contains("as --panic-on-key asks"), "{screen}");
    terminal.wait_until_given_back()
}

#[test]
fn it_is_suspended_and_resumes() -> Result<()> {
    let Live { terminal, _tree } = Live::start(80, 24, PLAIN, "")?;
    // By its key, and by a signal from elsewhere.
    for by_key in [true, false] {
        if by_key {
            terminal.press("C-z")?;
        } else {
            terminal.signal(Signal::TSTP)?;
        }
        terminal.wait_until_stopped()?;
        terminal.wait_until_given_back()?;
        terminal.type_line("fg")?;
        terminal.wait("screen", Terminal::is_taken)?;
        terminal.wait_for_text(SHOWN)?;
        // Keys come as keys again.
        terminal.press("?")?;
        terminal.wait_for_text("this help")?;
        terminal.press("?")?;
    }
    terminal.press("q")?;
    terminal.wait("shell", |t| Ok(!t.is_taken()?))?;
    terminal.wait_until_given_back()
}

#[test]
fn after_a_stop_it_could_not_handle_it_is_redrawn() -> Result<()> {
    let Live { terminal, _tree } = Live::start(80, 24, PLAIN, "")?;
    terminal.signal(Signal::STOP)?;
    terminal.wait_until_stopped()?;
    terminal.wait_for_text("ready>")?;
    // In raw mode, as it was left, only a line feed ends a line.
    terminal.type_text("stty sane; clear; fg")?;
    terminal.press("C-j")?;
    terminal.wait_for_text(SHOWN)?;
    terminal.press("?")?;
    terminal.wait_for_text("this help")?;
    terminal.press("C-c")?;
    terminal.wait("shell", |t| Ok(!t.is_taken()?))?;
    terminal.wait_until_given_back()
}

#[test]
fn without_colours_and_without_unicode() -> Result<()> {
    let environment = [PLAIN, &[("NO_COLOR", "1")]].concat();
    let Live { terminal, _tree } = Live::start(100, 30, &environment, "--ascii")?;
    terminal.wait_for_text("connections")?;
    let screen = terminal.screen_with_attributes()?;
    ensure!(screen.is_ascii(), "{screen}");
    // Select Graphic Rendition: 3x, 4x, 9x and 10x are colours.
    for sequence in screen.split("\u{1b}[").skip(1) {
        let Some((parameters, _)) = sequence.split_once('m') else {
            continue;
        };
        for parameter in parameters.split(';').filter_map(|p| p.parse::<u16>().ok()) {
            ensure!(
                // 39 and 49 are those of the terminal itself.
                matches!(parameter, 0..=29 | 39 | 49..=89 | 108..),
                "{parameters} is a colour"
            );
        }
    }
    Ok(())
}

#[test]
fn a_recording_is_shown_the_same_way() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let file = tree.path("recording.ctp");
    let file = file.to_str().context("the path is no UTF-8")?;
    program::run(&["record", file, "--proc-root", root, "--duration", "1s"])?.success();
    let terminal = Terminal::open(100, 30, PLAIN)?;
    let program = program::path()?;
    terminal.type_line(&format!(
        "{} replay --live {file}; echo status $?",
        program.display()
    ))?;
    // All of it was read, and can be looked at.
    terminal.wait_for_text(" END")?;
    terminal.press("6")?;
    terminal.wait_for_text("netfilter.conntrack_errors")?;
    // Where it is typed, s is a letter.
    terminal.press("/")?;
    terminal.wait_for_text("filter: ")?;
    terminal.type_line("sgs")?;
    terminal.press("6")?;
    terminal.wait_for_text("filter: sgs")?;
    terminal.press("q")?;
    terminal.wait_for_text("status 0")?;
    terminal.wait_until_given_back()
}

#[test]
fn without_a_terminal_it_says_what_to_do() -> Result<()> {
    program::run(&["live"])?
        .code(1)
        .stderr("ctpulse: the live view needs a terminal; `ctpulse stream` does without\n");
    Ok(())
}
