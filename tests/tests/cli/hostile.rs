//! Recordings whose names are written for the terminal of whoever looks at them (`fixtures/recordings/hostile`).

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::{program, tmux::Terminal};

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
        for format in ["text", "csv", "json"] {
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
