//! What the command line accepts, and what it says to the rest.

use anyhow::{Context, Result};

use crate::program::{FORMATS, run};

/// Refused with status 2, a reason on stderr that names the argument, and nothing on stdout.
#[track_caller]
fn refused(args: &[&str], named: &str) -> Result<()> {
    let output = run(args)?.code(2).stdout("").get_output().clone();
    let stderr = String::from_utf8(output.stderr)?;
    assert!(stderr.contains(named), "{args:?}: {stderr}");
    Ok(())
}

#[test]
fn the_formats_are_those_that_the_tests_try() -> Result<()> {
    let all = format!("[possible values: {}]", FORMATS.join(", "));
    for args in [
        &["stream", "--format", "xml"][..],
        &["record", "f", "--show", "--format", "xml"],
        &["replay", "f", "--format", "xml"],
    ] {
        refused(args, &all)?;
    }
    Ok(())
}

#[test]
fn bad_usage_is_status_2_and_says_what_is_bad() -> Result<()> {
    refused(&["--nonsense"], "--nonsense")?;
    refused(&["nonsense"], "nonsense")?;
    refused(&["stream", "--nonsense"], "--nonsense")?;
    refused(&["stream", "surplus"], "surplus")?;
    refused(&["doctor", "--interval", "1s"], "--interval")?;
    refused(&["stream", "--interval", "0s"], "--interval")?;
    refused(&["stream", "--interval", "5"], "--interval")?;
    refused(&["stream", "--interval", "1ms"], "10ms")?;
    refused(&["stream", "--interval", "2h"], "1h")?;
    refused(&["stream", "--interval", "soon"], "soon")?;
    refused(&["stream", "--interval"], "--interval")?;
    refused(&["stream", "--format", "xml"], "xml")?;
    refused(&["stream", "--duration", "-1s"], "-1")?;
    refused(&["stream", "--duration=-1s"], "--duration")?;
    refused(&["stream", "--duration", "0s"], "--duration")?;
    refused(&["stream", "--probes", "most"], "most")?;
    refused(&["stream", "--burst-threshold", "1"], "above 1")?;
    refused(&["stream", "--burst-threshold", "NaN"], "above 1")?;
    refused(&["stream", "--burst-min", "0"], "--burst-min")?;
    refused(&["stream", "--burst-longest", "1m"], "10s")?;
    refused(&["stream", "--per-cpu", "--format", "csv"], "--per-cpu")?;
    refused(&["stream", "--proc-root"], "--proc-root")?;
    refused(&["stream", "--top", "0"], "--top")?;
    refused(&["stream", "--top-prefix", "24"], "--top")?;
    refused(&["stream", "--top", "--top-prefix", "33"], "--top-prefix")?;
    refused(&["stream", "--top", "--format", "csv"], "--top")?;
    refused(&["stream", "--top", "--proc-root", "/x"], "--top")?;
    refused(&["stream", "--lifetimes", "--format", "csv"], "--lifetimes")?;
    refused(
        &["stream", "--lifetimes", "--proc-root", "/x"],
        "--lifetimes",
    )?;
    refused(&["stream", "--latency", "--format", "csv"], "--latency")?;
    refused(&["stream", "--latency", "--proc-root", "/x"], "--latency")?;
    refused(&["stream", "--no-fentry=early_dorp"], "early_drop")?;
    refused(&["events", "--top", "101"], "--top")?;
    refused(&["stream", "--chart", "error"], "errors")?;
    refused(&["stream", "--columns", "drop"], "errors.drop")?;
    refused(
        &["stream", "--columns", "time", "--chart", "new"],
        "--chart",
    )?;
    refused(&["stream", "--chart", "new", "--format", "csv"], "--chart")?;
    refused(&["stream", "--color", "some"], "--color")?;
    refused(&["record"], "FILE")?;
    refused(&["record", "f", "--append", "--force"], "--force")?;
    refused(&["replay"], "FILE")?;
    refused(&["replay", "f", "--speed", "0"], "above 0")?;
    refused(&["replay", "f", "--from", "soon"], "+2.5s")?;
    refused(&["replay", "f", "--step", "--speed", "1"], "--step")?;
    refused(&["report", "-"], "--output")?;
    refused(&["doctor", "--format", "csv"], "csv")
}

#[test]
fn help_names_every_option_of_the_contract() -> Result<()> {
    let stdout = |args: &[&str]| -> Result<String> {
        let output = run(args)?.success().stderr("").get_output().clone();
        Ok(String::from_utf8(output.stdout)?)
    };
    for args in [&["--help"][..], &["-h"], &["help"]] {
        let help = stdout(args)?;
        for command in ["stream", "doctor"] {
            assert!(help.contains(command), "{help}");
        }
    }
    let help = stdout(&["stream", "--help"])?;
    for option in [
        "--interval",
        "--duration",
        "--format",
        "--buckets",
        "--probes",
        "--netns",
        "--proc-root",
    ] {
        assert!(help.contains(option), "{option}: {help}");
    }
    assert!(help.contains("100ms"), "the default interval: {help}");
    assert!(stdout(&["doctor", "--help"])?.contains("--format"));
    Ok(())
}

#[test]
fn the_version_is_that_of_the_package() -> Result<()> {
    // All packages of the workspace share one version.
    let expected = format!("ctpulse {}\n", env!("CARGO_PKG_VERSION"));
    run(&["--version"])?.success().stdout(expected).stderr("");
    Ok(())
}

#[test]
fn doctor_says_what_this_host_offers() -> Result<()> {
    let output = run(&["doctor"])?.success().stderr("").get_output().clone();
    let report = String::from_utf8(output.stdout)?;
    for name in [
        "kernel counters",
        "nf_conntrack",
        "kprobes",
        "eBPF programs",
        "privileges",
    ] {
        assert!(report.contains(name), "{name}: {report}");
    }
    assert!(!report.contains('\u{1b}'), "escapes in a pipe");
    Ok(())
}

#[test]
fn doctor_in_json_is_one_object() -> Result<()> {
    let output = run(&["doctor", "--format", "json"])?
        .success()
        .get_output()
        .clone();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    for key in ["version", "kernel", "findings", "counters"] {
        assert!(report.get(key).is_some(), "no {key}: {report}");
    }
    for finding in report["findings"]
        .as_array()
        .context("findings is no list")?
    {
        assert!(
            ["ok", "missing", "unknown"]
                .iter()
                .any(|s| finding["status"] == *s),
            "{finding}"
        );
    }
    let counters = report["counters"]
        .as_array()
        .context("counters is no list")?;
    for counter in counters {
        let unavailable = counter["source"] == "unavailable";
        assert_eq!(counter["reason"].is_string(), unavailable, "{counter}");
    }
    assert!(
        counters
            .iter()
            .any(|counter| counter["name"] == "early_drop")
    );
    Ok(())
}
