//! Keys of the live view that leave something behind, on a real terminal: what was written and copied is read back.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, ensure};

use crate::{program, tmux::Terminal, tree::Tree};

const PLAIN: &[(&str, &str)] = &[("TERM", "screen-256color"), ("LC_ALL", "C.UTF-8")];

/// A recording of a guest with bursts, events and top talkers.
const INCIDENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/fixtures/recordings/incident-6.12.ctp"
);

/// Starts ctpulse with these arguments in a directory.
fn start(columns: u16, rows: u16, directory: &Path, args: &str) -> Result<Terminal> {
    let terminal = Terminal::open(columns, rows, PLAIN)?;
    terminal.allow_clipboard()?;
    terminal.type_line(&format!("cd {}", directory.display()))?;
    let program = program::path()?;
    terminal.type_line(&format!(
        "clear; {} {args}; echo status $?",
        program.display()
    ))?;
    terminal.wait("screen", Terminal::is_taken)?;
    Ok(terminal)
}

/// A recording in the live view, once all of it was read.
fn incident(columns: u16, rows: u16, directory: &Path, args: &str) -> Result<Terminal> {
    let terminal = start(
        columns,
        rows,
        directory,
        &format!("replay --live {INCIDENT} {args}"),
    )?;
    terminal.wait_for_text(" END")?;
    Ok(terminal)
}

fn quit(terminal: &Terminal) -> Result<()> {
    terminal.press("q")?;
    terminal.wait_for_text("status 0")?;
    terminal.wait_until_given_back()
}

/// The names in a directory, sorted.
fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Checks the recordings and pages that were written there, and returns the JSON lines of each.
fn read_back(directory: &Path, count: usize) -> Result<Vec<String>> {
    let names = names(directory)?;
    ensure!(names.len() == 2 * count, "{names:?}");
    let mut all = Vec::new();
    for name in &names {
        let path = directory.join(name);
        let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "{name}: {mode:o}");
        ensure!(name.starts_with("ctpulse-"), "{name}");
        if name.ends_with(".html") {
            let page = fs::read_to_string(&path)?;
            ensure!(
                page.contains("conntrack on ") && page.ends_with("</html>\n"),
                "{name}"
            );
            ensure!(!page.contains("without a summary"), "{name}");
            continue;
        }
        let path = path.to_str().context("the path is no UTF-8")?;
        let replay = program::run(&["replay", path, "--format", "json"])?.success();
        let output = replay.get_output();
        // Whole: there is no remark about its end.
        ensure!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = String::from_utf8(output.stdout.clone())?;
        ensure!(lines.starts_with("{\"type\":\"hello\""), "{lines:.200}");
        all.push(lines);
    }
    Ok(all)
}

#[test]
fn what_a_run_has_shown_is_written() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let directory = tempfile::tempdir()?;
    let terminal = start(
        100,
        30,
        directory.path(),
        &format!("live --proc-root {}", root.display()),
    )?;
    terminal.wait_for_text("table ")?;
    terminal.press("w")?;
    terminal.wait_for_text("wrote ctpulse-")?;
    // Told until the next key, and then among the events.
    terminal.press("w")?;
    terminal.wait("second page", |_| Ok(names(directory.path())?.len() == 4))?;
    terminal.wait_for_text("wrote ctpulse-")?;
    quit(&terminal)?;
    let lines = read_back(directory.path(), 2)?;
    for lines in &lines {
        ensure!(lines.contains("{\"type\":\"sample\""), "{lines:.200}");
    }
    Ok(())
}

#[test]
fn what_was_written_is_named_on_the_terminal_afterwards() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let terminal = incident(100, 30, directory.path(), "")?;
    // Not waited for: quitting does.
    terminal.type_text("wq")?;
    terminal.wait_for_text("status 0")?;
    terminal.wait_for_text("ctpulse: wrote ctpulse-")?;
    let lines = read_back(directory.path(), 1)?.remove(0);
    let original = program::run(&["replay", INCIDENT, "--format", "json"])?.success();
    let original = String::from_utf8(original.get_output().stdout.clone())?;
    // All that was recorded, and the verdicts that the view adds to a recording without.
    let without: Vec<&str> = lines
        .lines()
        .filter(|line| !line.starts_with("{\"type\":\"verdict\""))
        .collect();
    for (written, read) in without.iter().zip(original.lines()) {
        let mut written: serde_json::Value = serde_json::from_str(written)?;
        let read: serde_json::Value = serde_json::from_str(read)?;
        // The original is older than this field.
        if let Some(written) = written.as_object_mut()
            && read["entries_per_s"].is_null()
        {
            written.remove("entries_per_s");
        }
        // And than this counter, which is null then.
        if let Some(counters) = written
            .get_mut("counters")
            .and_then(|counters| counters.as_object_mut())
            && read["counters"].get("nat_exhausted").is_none()
            && counters["nat_exhausted"].is_null()
        {
            counters.remove("nat_exhausted");
        }
        ensure!(written == read, "{written}\n{read}");
    }
    ensure!(
        without.len() == original.lines().count(),
        "{}",
        without.len()
    );
    Ok(())
}

#[test]
fn what_cannot_be_written_says_why() -> Result<()> {
    let terminal = incident(100, 30, Path::new("/proc"), "")?;
    terminal.press("w")?;
    terminal.wait_for_text("os error")?;
    terminal.wait_for_text(".ctp: ")?;
    quit(&terminal)
}

#[test]
fn a_talker_is_chosen_sorted_copied_and_filtered_by() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let terminal = incident(120, 40, directory.path(), "")?;
    terminal.press("t")?;
    terminal.wait_for_text(" 1 of ")?;
    terminal.press("y")?;
    terminal.wait_for_text("to the clipboard")?;
    let first = terminal.clipboard()?;
    ensure!(first.parse::<std::net::IpAddr>().is_ok(), "{first}");
    terminal.press("s")?;
    terminal.wait_for_text("sorted by key")?;
    terminal.press("Home")?;
    terminal.press("Enter")?;
    terminal.wait_for_text("filter: src=")?;
    terminal.press("Enter")?;
    terminal.wait_for_text("all events")?;
    terminal.press("Escape")?;
    terminal.wait_for_text("q quit")?;
    quit(&terminal)
}

#[test]
fn an_event_is_chosen_copied_and_filtered_by() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let terminal = incident(120, 40, directory.path(), "")?;
    terminal.press("e")?;
    terminal.wait_for_text("Enter filter")?;
    for key in ["NPage", "NPage", "PPage", "Down"] {
        terminal.press(key)?;
    }
    terminal.press("y")?;
    terminal.wait_for_text("to the clipboard")?;
    let copied = terminal.clipboard()?;
    let (time, event) = copied.split_once(' ').context("a time and the event")?;
    time.parse::<jiff::Timestamp>()
        .with_context(|| copied.clone())?;
    let kind = event.split_whitespace().next().context("a kind")?;
    ensure!(!kind.is_empty(), "{copied}");
    // Of an event of a flow its ends are the filter.
    terminal.press("/")?;
    terminal.wait_for_text("filter: ")?;
    terminal.type_line("table_full")?;
    terminal.wait_for_text("Events filter: table_full")?;
    terminal.press("End")?;
    terminal.press("Enter")?;
    terminal.wait_for_text("filter: proto=")?;
    terminal.press("Escape")?;
    quit(&terminal)
}

#[test]
fn a_recording_is_stepped_through() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let args = format!("replay --live --speed 0.02 {INCIDENT}");
    let terminal = start(120, 30, directory.path(), &args)?;
    terminal.wait_for_text("×0.02")?;
    terminal.press("?")?;
    terminal.wait_for_text("recording: one more interval")?;
    terminal.press("Escape")?;
    terminal.wait_for_text("s step")?;
    terminal.press("s")?;
    terminal.wait_for_text("waits")?;
    // In the tables the same key sorts.
    terminal.press("g")?;
    terminal.wait_for_text("×0.02")?;
    terminal.press(">")?;
    terminal.wait_for_text("×0.04")?;
    terminal.press("<")?;
    terminal.wait_for_text("×0.02")?;
    quit(&terminal)
}

#[test]
fn of_a_recording_the_part_so_far_is_written() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let args = format!("replay --live --speed 0.02 {INCIDENT}");
    let terminal = start(120, 30, directory.path(), &args)?;
    terminal.wait_for_text("×0.02")?;
    for _ in 0..5 {
        terminal.press("s")?;
    }
    terminal.wait_for_text("waits")?;
    terminal.press("w")?;
    terminal.wait_for_text("wrote ctpulse-")?;
    quit(&terminal)?;
    let lines = read_back(directory.path(), 1)?.remove(0);
    let samples = lines
        .lines()
        .filter(|line| line.starts_with("{\"type\":\"sample\""))
        .count();
    ensure!((1..20).contains(&samples), "{samples} samples");
    Ok(())
}

#[test]
fn the_configuration_sets_keys_layout_zone_and_theme() -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(
        directory.path().join("c.toml"),
        "[live]\ntheme = \"light\"\nlayout = \"events\"\nlocal_time = true\n[live.keys]\nchecks = \"f2 x\"\n",
    )?;
    let environment = [PLAIN, &[("TZ", "XYZ-5")]].concat();
    let terminal = Terminal::open(120, 40, &environment)?;
    terminal.type_line(&format!("cd {}", directory.path().display()))?;
    let program = program::path()?;
    terminal.type_line(&format!(
        "clear; {} replay --live --config c.toml {INCIDENT}; echo status $?",
        program.display()
    ))?;
    terminal.wait_for_text(" · events")?;
    terminal.wait_for_text("all read")?;
    // The recording is all shown; a paused view has its time.
    terminal.press("Space")?;
    terminal.wait_for_text("PAUSED")?;
    // Titles in 24, a dark blue.
    let attributes = terminal.screen_with_attributes()?;
    ensure!(attributes.contains("38;5;24"), "{attributes}");
    ensure!(!attributes.contains("38;5;80"), "{attributes}");
    let hour = |t: &Terminal| -> Result<String> {
        let screen = t.screen()?;
        let time = screen.split(" PAUSED ").nth(1).context("a time")?;
        Ok(time.chars().take(2).collect())
    };
    let local: u32 = hour(&terminal)?.parse()?;
    terminal.press("u")?;
    terminal.wait_for_text("times are UTC")?;
    let utc: u32 = hour(&terminal)?.parse()?;
    ensure!(local == (utc + 5) % 24, "{local} {utc}");
    terminal.press("u")?;
    terminal.wait_for_text("times are local: XYZ")?;
    terminal.press("F2")?;
    terminal.wait_for_text("Probes against the kernel")?;
    terminal.press("x")?;
    let closed = |t: &Terminal| Ok(!t.screen()?.contains("Probes against the kernel"));
    terminal.wait("popup closed by its other key", closed)?;
    quit(&terminal)
}

#[test]
fn a_theme_is_chosen_by_its_option() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for (theme, has, lacks) in [
        ("16", "38;5;12m", "38;5;245"),
        ("dark", "38;5;80", "38;5;24m"),
        ("light", "38;5;24", "38;5;80m"),
        ("none", "[1m", "38;5"),
    ] {
        let terminal = incident(100, 30, directory.path(), &format!("--theme {theme}"))?;
        let attributes = terminal.screen_with_attributes()?;
        ensure!(attributes.contains(has), "{theme}: {attributes:?}");
        ensure!(!attributes.contains(lacks), "{theme}: {attributes:?}");
        quit(&terminal)?;
    }
    Ok(())
}

#[test]
fn the_mouse_is_used_only_if_asked_for() -> Result<()> {
    let directory = tempfile::tempdir()?;
    // As a terminal reports it: a button, column and row from 1, and M for pressed.
    let report = |terminal: &Terminal, button: u16, text: &str| -> Result<()> {
        let screen = terminal.screen()?;
        let lines = screen.lines().enumerate();
        let mut found = lines.filter_map(|(y, line)| Some((y, line.find(text)?, line)));
        let (y, at, line) = found
            .next()
            .with_context(|| format!("no {text}: {screen}"))?;
        let x = line[..at].chars().count();
        terminal.type_text(&format!("\u{1b}[<{button};{};{}M", x + 1, y + 1))
    };
    let terminal = incident(120, 40, directory.path(), "--mouse")?;
    ensure!(terminal.wants_mouse()?, "the mouse is not asked for");
    report(&terminal, 0, "▪ early_drop")?;
    terminal.wait_for_text("netfilter.conntrack_errors")?;
    let before = terminal.screen()?;
    // The wheel, up: another time axis.
    report(&terminal, 64, "▪ early_drop")?;
    terminal.wait("other window", |t| {
        Ok(t.screen()?.lines().last() != before.lines().last())
    })?;
    terminal.press("Escape")?;
    terminal.wait_for_text("Events")?;
    terminal.press("l")?;
    terminal.press("l")?;
    terminal.wait_for_text(" · events")?;
    report(&terminal, 0, "early_drop    udp")?;
    terminal.wait_for_text("Enter filter")?;
    quit(&terminal)?;
    ensure!(!terminal.wants_mouse()?, "the mouse is not given back");
    let terminal = incident(120, 40, directory.path(), "")?;
    ensure!(!terminal.wants_mouse()?, "the mouse was not asked for");
    quit(&terminal)
}

/// Presses a key, and waits until the picture is another one.
fn changes(terminal: &Terminal, key: &str) -> Result<()> {
    let before = terminal.screen()?;
    terminal.press(key)?;
    let what = format!("change after {key}");
    terminal.wait(&what, |t| Ok(t.screen()? != before))
}

#[test]
fn every_key_does_something() -> Result<()> {
    let directory = tempfile::tempdir()?;
    // All of it was read: nothing but keys changes the picture.
    let terminal = incident(120, 40, directory.path(), "")?;
    let popups = [
        ("?", "this help"),
        ("h", "this help"),
        ("F1", "this help"),
        ("c", "Probes against the kernel"),
        ("n", "Messages"),
        ("i", "Choose: up, down, Enter"),
    ];
    for (key, text) in popups {
        terminal.press(key)?;
        terminal.wait_for_text(text)?;
        changes(&terminal, "Escape")?;
    }
    // Charts, measures and layouts, there and back.
    for chart in ["1", "2", "3", "4", "5", "6"] {
        changes(&terminal, chart)?;
        terminal.wait_for_text("netfilter.conntrack_")?;
        changes(&terminal, "0")?;
    }
    changes(&terminal, "Tab")?;
    changes(&terminal, "Tab")?;
    changes(&terminal, "Escape")?;
    for key in ["m", "m", "l", "l", "l"] {
        changes(&terminal, key)?;
    }
    // The time axis.
    for key in ["+", "-", "=", "Down", "Up", "Up", "Up", "b", "b", "B"] {
        changes(&terminal, key)?;
    }
    terminal.wait_for_text("PAUSED")?;
    for key in ["Left", "Right", "PPage", "NPage", ",", ".", "Home", "End"] {
        changes(&terminal, key)?;
    }
    terminal.wait_for_text(" END")?;
    for key in ["Space", "p"] {
        changes(&terminal, key)?;
    }
    // There is one instance, so that it stays.
    let before = terminal.screen()?;
    for key in ["[", "]", "C-l"] {
        terminal.press(key)?;
    }
    // Redrawing clears the screen first, so that the end is waited for.
    terminal.press("?")?;
    terminal.wait_for_text("this help")?;
    terminal.press("?")?;
    terminal.wait("the picture before", |t| Ok(t.screen()? == before))?;
    quit(&terminal)
}
