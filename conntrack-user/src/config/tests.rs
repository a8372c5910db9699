//! What a file may set, and the messages about mistakes.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    config::{
        keys::{ALERT_KEYS, LIVE_KEYS, ON_ALERT_KEYS},
        *,
    },
    keyboard::actions::Action,
    model::alert::{ALERTS, AlertId, Level},
};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text.as_bytes(), Path::new("c.toml"))
}

#[track_caller]
fn accepted(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    match parse(text) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(accepted(""), Config::default());
    assert_eq!(
        accepted("# nothing\n[alerts]\n[on_alert]\n"),
        Config::default()
    );
}

#[test]
fn what_is_printed_is_what_is_read() {
    let text = Config::default().to_toml();
    assert_eq!(accepted(&text), Config::default(), "{text}");
    insta::assert_snapshot!("default_config", text);
}

#[test]
fn every_key_of_every_alert_can_be_set() {
    for spec in &ALERTS {
        let text = Config::default().to_toml();
        let section = text.split(&format!("[alerts.{}]", spec.name)).nth(1);
        let section = section
            .and_then(|s| s.split("\n\n").next())
            .unwrap_or_default();
        for key in ALERT_KEYS {
            let there = section.contains(&format!("\n{} = ", key.name));
            let exempt = (key.name == "window" && spec.defaults.window.is_none())
                || (key.name == "critical_hold" && spec.defaults.thresholds.critical.is_none());
            assert!(there != exempt, "{} of {}", key.name, spec.name);
        }
    }
}

#[test]
fn settings_are_read() {
    let config = accepted(
        "[alerts.netfilter_conntrack_full]\n\
         warning = 80\n\
         window = \"1s\"\n\
         delay_down = \"1m 30s\"\n\
         [alerts.conntrack_probe_mismatch]\n\
         critical = 2.5\n\
         [alerts.conntrack_early_drop]\n\
         enabled = false\n\
         critical = \"off\"\n\
         [alerts.conntrack_time_to_full]\n\
         warning = 120\n\
         warning_hold = 130.5\n\
         [on_alert]\n\
         timeout = \"250ms\"\n\
         at_once = 1\n\
         queue = 0x10\n",
    );
    let full = &config.alerts[AlertId::Full];
    // The default's hold of 85 would be above it.
    let level = |raise, hold| Some(Level { raise, hold });
    assert_eq!(full.thresholds.warning, level(80.0, 80.0));
    assert_eq!(full.thresholds.critical, level(95.0, 90.0));
    assert_eq!(full.window, Some(Duration::from_secs(1)));
    assert_eq!(full.delay.down, Duration::from_secs(90));
    let mismatch = &config.alerts[AlertId::ProbeMismatch];
    assert_eq!(mismatch.thresholds.critical, level(2.5, 2.5));
    let early = &config.alerts[AlertId::EarlyDrop];
    assert_eq!((early.enabled, early.thresholds.critical), (false, None));
    let time = &config.alerts[AlertId::TimeToFull];
    assert_eq!(time.thresholds.warning, level(120.0, 130.5));
    let limits = HookLimits {
        timeout: Duration::from_millis(250),
        at_once: 1,
        queue: 16,
    };
    assert_eq!(config.on_alert, limits);
    assert_eq!(accepted(&config.to_toml()), config);
}

#[test]
fn the_live_view_is_configured() {
    let config = accepted(
        "[live]\ntheme = \"light\"\nlayout = \"events\"\nlocal_time = true\nmouse = true\n\
         [live.keys]\nwrite = \"f2 W\"\nnext_chart = \"\"\ntalkers = \"tab\"\nhelp = \"\\\\ \\\"\"\n",
    );
    let live = &config.live;
    assert_eq!((live.theme, live.layout), ("light", "events"));
    assert!(live.local_time && live.mouse);
    assert_eq!(live.keys.written(Action::Write), "f2 W");
    assert_eq!(live.keys.written(Action::NextChart), "");
    assert_eq!(live.keys.written(Action::Help), "\\ \"");
    // What is not given is as it was.
    assert_eq!(live.keys.written(Action::Events), "e");
    assert_eq!(accepted(&config.to_toml()), config);
    refused(
        "[live]\ntheme = \"blue\"\n",
        "c.toml:2: theme in [live] must be \"auto\" or \"dark\" or \"light\" or \"16\" or \"none\"",
    );
    refused(
        "[live.keys]\nqiut = \"x\"\n",
        "c.toml:2: unknown key qiut in [live.keys]; did you mean quit?",
    );
    refused(
        "[live.keys]\nwrite = \"ctrl-w\"\n",
        "c.toml:2: write in [live.keys]: must be names of keys, such as \"q space f1 pageup\"",
    );
    refused(
        "[live.keys]\nwrite = 3\n",
        "c.toml:2: write in [live.keys]: must be names of keys, such as \"q space f1 pageup\"",
    );
    refused(
        "[live.keys]\nwrite = \"t\"\n",
        "c.toml:2: write in [live.keys]: t is the key of `talkers` already; give that another one",
    );
    refused(
        "[live.keys]\nwrite = \"1\"\n",
        "c.toml:2: write in [live.keys]: 1 always shows a chart, or all of them",
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest() {
    refused(
        "\n[alert]\n",
        "c.toml:2: unknown table [alert]; did you mean alerts?",
    );
    refused(
        "[alerts.conntrack_tabel_full]\n",
        "c.toml:1: there is no alert conntrack_tabel_full; did you mean conntrack_table_full?",
    );
    refused(
        "[alerts.conntrack_table_full]\nenabled = true\n\nwarnin = 3\n",
        "c.toml:4: unknown key warnin in [alerts.conntrack_table_full]; did you mean warning?",
    );
    refused(
        "[on_alert]\nqueu = 3\n",
        "c.toml:2: unknown key queu in [on_alert]; did you mean queue?",
    );
    refused(
        "[on_alert]\nxyz = 3\n",
        "c.toml:2: unknown key xyz in [on_alert]; there are timeout, at_once, queue",
    );
    refused(
        "alerts.conntrack_time_to_full.window = \"3s\"\n",
        "c.toml:1: unknown key window in [alerts.conntrack_time_to_full]; there are enabled, \
         warning, warning_hold, critical, critical_hold, delay_up, delay_down, delay_multiplier, \
         delay_max",
    );
}

#[test]
fn bad_values_are_refused_with_what_is_allowed() {
    let full = "[alerts.netfilter_conntrack_full]\n";
    for (line, expected) in [
        (
            "enabled = 1",
            "enabled in [alerts.netfilter_conntrack_full] must be true or false",
        ),
        (
            "warning = 101",
            "warning in [alerts.netfilter_conntrack_full] must be a number from 0 to 100 (%), or \"off\"",
        ),
        (
            "warning = -1",
            "warning in [alerts.netfilter_conntrack_full] must be a number from 0 to 100 (%), or \"off\"",
        ),
        (
            "critical = nan",
            "critical in [alerts.netfilter_conntrack_full] must be a number from 0 to 100 (%), or \"off\"",
        ),
        (
            "critical_hold = \"off\"",
            "critical_hold in [alerts.netfilter_conntrack_full] must be a number from 0 to 100 (%)",
        ),
        (
            "window = 10",
            "window in [alerts.netfilter_conntrack_full] must be a time in quotes, such as \"1m 30s\", from 100ms to 1h",
        ),
        (
            "delay_down = \"-5m\"",
            "delay_down in [alerts.netfilter_conntrack_full] must be a time in quotes, such as \"1m 30s\", from 0s to 24h",
        ),
        (
            "delay_multiplier = 0.5",
            "delay_multiplier in [alerts.netfilter_conntrack_full] must be a number from 1 to 10",
        ),
        (
            "warning_hold = 91",
            "warning_hold = 91 is above warning = 90: it would never hold",
        ),
        (
            "warning = 96",
            "warning = 96 is above critical = 95 of netfilter_conntrack_full: it would never be seen; set both",
        ),
        (
            "critical = \"off\"\ncritical_hold = 3",
            "critical_hold holds nothing: critical is off",
        ),
        (
            "delay_max = \"1m\"",
            "delay_max must not be less than delay_up and delay_down",
        ),
    ] {
        let at = 1 + line.lines().count();
        refused(
            &format!("{full}{line}\n"),
            &format!("c.toml:{at}: {expected}"),
        );
    }
    refused(
        "[on_alert]\nat_once = 0\n",
        "c.toml:2: at_once in [on_alert] must be a whole number from 1 to 64",
    );
    refused(
        "[on_alert]\nat_once = 1.5\n",
        "c.toml:2: at_once in [on_alert] must be a whole number from 1 to 64",
    );
    refused("alerts = 3\n", "c.toml:1: alerts must be a table: [alerts]");
    refused(
        "[alerts.conntrack_time_to_full]\nwarning = 30\n",
        "c.toml:2: warning = 30 is below critical = 60 of conntrack_time_to_full: it would never be seen; set both",
    );
}

#[test]
fn invalid_toml_is_refused_with_its_line() {
    let error = parse("[alerts]\n\nx = = 3\n").expect_err("no TOML");
    assert!(error.to_string().starts_with("c.toml:3: "), "{error}");
    let error = parse("[on_alert]\nqueue = 1\nqueue = 2\n").expect_err("set twice");
    assert!(error.to_string().starts_with("c.toml:3: "), "{error}");
}

#[test]
fn invalid_utf8_is_refused_with_its_line() {
    let error = Config::parse(b"[alerts]\n\xff", Path::new("c.toml")).expect_err("no text");
    assert_eq!(
        error.to_string(),
        "c.toml:2: this is no UTF-8; a configuration is a text file"
    );
}

#[test]
fn quoted_input_is_short_and_escaped() {
    let name = "\\u001b[2J".repeat(10_000);
    let error = parse(&format!("\"{name}\" = 3\n")).expect_err("an unknown table");
    let message = error.to_string();
    assert!(
        message.starts_with("c.toml:1: unknown table [\\u{1b}[2J"),
        "{message}"
    );
    assert!(message.len() < 10_000, "{}", message.len());
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let error = Config::load(Some(Path::new("/dev/zero"))).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "/dev/zero: has more than 1048576 bytes, which no such file has; it was not read"
    );
}

#[test]
fn the_manual_names_every_key_and_alert() {
    let manual = include_str!("../../docs/alerts-and-configuration.md");
    for spec in &ALERTS {
        assert!(
            manual.contains(&format!("`{}`", spec.name)),
            "{}",
            spec.name
        );
    }
    let keys = ALERT_KEYS.iter().map(|key| key.name);
    let keys = keys.chain(ON_ALERT_KEYS.iter().map(|key| key.name));
    for key in keys.chain(LIVE_KEYS.iter().map(|key| key.name)) {
        assert!(manual.contains(&format!("`{key}`")), "{key}");
    }
    assert!(manual.contains(DEFAULT_PATH));
}

proptest! {
    #[test]
    fn any_input_does_not_panic(text in "(?s).{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn whatever_is_accepted_is_printed_as_it_is(
        warning in 0.0..1000.0_f64,
        more in 0.0..1000.0_f64,
        down_ms in 0..3_600_000_u64,
    ) {
        let text = format!(
            "[alerts.conntrack_insert_failed]\nwarning = {warning}\ncritical = {}\ndelay_down = \"{down_ms}ms\"",
            warning + more
        );
        let config = accepted(&text);
        prop_assert_eq!(accepted(&config.to_toml()), config);
    }
}
