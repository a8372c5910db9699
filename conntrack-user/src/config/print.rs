//! From settings to text.

use std::fmt::Write;

use crate::{
    config::{
        Config,
        keys::{ALERT_KEYS, Key, ON_ALERT_KEYS, Value, time},
    },
    model::alert::ALERTS,
};

pub(super) fn toml(config: &Config) -> String {
    let mut text = String::from(
        "# ctpulse's configuration. Whatever is left out has its default.\n\
         #\n\
         # Keys of an alert:\n",
    );
    for key in ALERT_KEYS {
        explain(&mut text, key);
    }
    for spec in &ALERTS {
        push(
            &mut text,
            format_args!(
                "\n# {}; thresholds from 0 to {} {}\n",
                spec.meaning, spec.most, spec.unit
            ),
        );
        push(&mut text, format_args!("[alerts.{}]\n", spec.name));
        for key in ALERT_KEYS {
            assign(&mut text, key, &config.alerts[spec.id]);
        }
    }
    text.push_str("\n# The command of --on-alert.\n");
    for key in ON_ALERT_KEYS {
        explain(&mut text, key);
    }
    text.push_str("[on_alert]\n");
    for key in ON_ALERT_KEYS {
        assign(&mut text, key, &config.on_alert);
    }
    text
}

fn explain<S>(text: &mut String, key: &Key<S>) {
    let expected = key.kind.expected(None);
    push(text, format_args!("#   {}: {}\n", key.name, key.meaning));
    push(text, format_args!("#     {expected}\n"));
}

fn assign<S>(text: &mut String, key: &Key<S>, settings: &S) {
    let value = match (key.get)(settings) {
        None => return,
        Some(Value::Flag(flag)) => flag.to_string(),
        Some(Value::Number(Some(number))) => number.to_string(),
        Some(Value::Number(None)) => "\"off\"".to_owned(),
        Some(Value::Time(duration)) => format!("\"{}\"", time(duration)),
    };
    push(text, format_args!("{} = {value}\n", key.name));
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(what);
}
