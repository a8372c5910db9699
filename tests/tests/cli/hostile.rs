//! Names that are written for the terminal of whoever looks at them: in recordings (`fixtures/recordings/hostile`), and of
//! processes that run.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    elsewhere::Elsewhere,
    program::{self, FORMATS, Running},
    tmux::Terminal,
};

/// Kibibytes of memory that a small recording may take.
const MEMORY: &str = "1000000";

fn recording(name: &str) -> Result<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/hostile");
    let path = dir.join(name);
    Ok(path.to_str().context("the path is no UTF-8")?.to_owned())
}

/// What it writes to stdout and stderr, with so much memory.
fn written(args: &[&str]) -> Result<String> {
    let output = assert_cmd::Command::new("sh")
        .args(["-c", "ulimit -v $1 && shift && exec \"$@\"", "sh", MEMORY])
        .arg(program::path()?)
        .args(args)
        .timeout(program::PATIENCE)
        .output()?;
    ensure!(output.status.success(), "{args:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?)
}

/// That nothing in it controls a terminal or turns text around.
#[track_caller]
fn assert_harmless(text: &str) {
    let harm = text.chars().find(|c| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() && *c != '\n') || turns
    });
    assert_eq!(harm, None, "{text:?}");
}

#[test]
fn names_stay_names_in_every_format() -> Result<()> {
    for name in ["host-name.ctp", "names.ctp"] {
        let recording = recording(name)?;
        for format in FORMATS {
            let text = written(&["replay", &recording, "--format", format])?;
            assert_harmless(&text);
        }
        let page = written(&["report", &recording, "-o", "-"])?;
        assert_harmless(&page);
        // As text it is there.
        assert!(page.contains("]0;pwn"), "{page}");
        assert!(
            !page.contains("<img") && page.matches("<script").count() == 2,
            "a tag"
        );
    }
    Ok(())
}

#[test]
fn the_live_view_shows_names_as_names() -> Result<()> {
    let environment = [("TERM", "screen-256color"), ("LC_ALL", "C.UTF-8")];
    let terminal = Terminal::open(100, 30, &environment)?;
    let title = terminal.title()?;
    terminal.type_line(&format!(
        "{} replay --live {}; echo status $?",
        program::path()?.display(),
        recording("host-name.ctp")?
    ))?;
    terminal.wait_for_text("\\u{1b}]0;pwn\\u{7}")?;
    assert_eq!(terminal.title()?, title);
    terminal.press("q")?;
    terminal.wait_for_text("status 0")
}

/// As a user without privileges can name a process in a network namespace of their own: it sets the title of a terminal's
/// window, turns text around, and starts a sequence with one character. The kernel cuts names at 15 bytes.
const COMM: &str = "\u{1b}]0;pwn\u{7}\u{202e}\u{9b}";

/// The same where it does no harm.
const SHOWN: &str = "\\u{1b}]0;pwn\\u{7}\\u{202e}\\u{9b}";

/// Whether a line says so of the namespace, which may be one of several: that of the test beside this one goes at any time.
fn says_that_it_is_gone(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        line.contains(name) && (line.contains(" is gone") || line.contains(" are gone: "))
    })
}

#[test]
fn a_process_cannot_name_itself_into_a_stream() -> Result<()> {
    for format in FORMATS {
        let Some(elsewhere) = Elsewhere::start(COMM.as_bytes())? else {
            return Ok(());
        };
        let pid = elsewhere.pid();
        let (name, shown) = (format!("{COMM}[{pid}]"), format!("{SHOWN}[{pid}]"));
        let args = ["stream", "--netns", "all", "--probes", "off"];
        let more = ["--interval", "50ms", "--format", format];
        let mut program = Running::start(&[&args[..], &more].concat())?;
        let is_named = |line: &str| match format {
            // It has the name as it is, escaped by its own rules.
            "json" => serde_json::from_str::<Value>(line).is_ok_and(|r| r["instance"] == *name),
            _ => line.contains(&shown),
        };
        program.wait_for_text("the name", is_named)?;
        drop(elsewhere);
        program.wait_for_stderr("its end", |stderr| says_that_it_is_gone(stderr, &shown))?;
        let ended = program.stop()?;
        assert_harmless(&ended.lines.join("\n"));
        assert_harmless(&ended.stderr);
    }
    Ok(())
}

#[test]
fn a_process_cannot_name_itself_into_the_live_view() -> Result<()> {
    let Some(elsewhere) = Elsewhere::start(COMM.as_bytes())? else {
        return Ok(());
    };
    // Wide enough that a line about it is not cut; names in lists are, at 20 characters.
    let shown = format!("{SHOWN}[{}]", elsewhere.pid());
    let environment = [("TERM", "screen-256color"), ("LC_ALL", "C.UTF-8")];
    let terminal = Terminal::open(360, 40, &environment)?;
    let title = terminal.title()?;
    terminal.type_line(&format!(
        "{} live --netns all --probes off; echo status $?",
        program::path()?.display()
    ))?;
    terminal.wait_for_text(&SHOWN[..20])?;
    drop(elsewhere);
    terminal.wait("its end", |t| {
        Ok(says_that_it_is_gone(&t.screen()?, &shown))
    })?;
    assert_harmless(&terminal.screen()?);
    terminal.signal(Signal::TERM)?;
    terminal.wait_for_text("status 0")?;
    assert_eq!(terminal.title()?, title);
    terminal.wait_until_given_back()
}
