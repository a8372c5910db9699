//! From text to settings.

use std::time::Duration;

use jiff::SignedDuration;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    config::{
        Config,
        keys::{ALERT_KEYS, Key, Kind, ON_ALERT_KEYS, Value},
    },
    model::alert::{ALERTS, AlertSpec, Level, Settings, Worse, named},
};

/// A mistake, and the offset in the text where it stands.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Names closer than this are offered for a wrong one.
const NEAR: f64 = 0.75;

pub(super) fn config(text: &str) -> Result<Config, Fault> {
    let document = DeTable::parse(text).map_err(|error| Fault {
        at: error.span().map_or(0, |span| span.start),
        message: error.message().to_owned(),
    })?;
    let mut config = Config::default();
    for (key, value) in document.get_ref() {
        match &**key.get_ref() {
            "alerts" => alerts(&mut config, table(key.get_ref(), value)?)?,
            "on_alert" => {
                let table = table(key.get_ref(), value)?;
                section(
                    "[on_alert]",
                    ON_ALERT_KEYS,
                    &mut config.on_alert,
                    None,
                    table,
                )?;
            }
            other => {
                let known = ["alerts", "on_alert"];
                let message = format!("unknown table [{other}]{}", suggestion(other, known));
                return Err(fault(key, message));
            }
        }
    }
    Ok(config)
}

fn alerts(config: &mut Config, table_of_alerts: &DeTable<'_>) -> Result<(), Fault> {
    for (name, value) in table_of_alerts {
        let Some(spec) = named(name.get_ref()) else {
            let known = ALERTS.iter().map(|spec| spec.name);
            let message = format!(
                "there is no alert {}{}",
                name.get_ref(),
                suggestion(name.get_ref(), known)
            );
            return Err(fault(name, message));
        };
        let table = table(&format!("alerts.{}", spec.name), value)?;
        let settings = &mut config.alerts.0[spec.id as usize];
        let title = format!("[alerts.{}]", spec.name);
        // What has no window of its own does not get one.
        let keys: Vec<_> = ALERT_KEYS
            .iter()
            .filter(|key| key.name != "window" || spec.defaults.window.is_some())
            .copied()
            .collect();
        section(&title, &keys, settings, Some(spec), table)?;
        in_order(spec, settings, table)?;
    }
    Ok(())
}

/// Sets what a table sets.
fn section<S>(
    title: &str,
    keys: &[Key<S>],
    settings: &mut S,
    spec: Option<&AlertSpec>,
    table: &DeTable<'_>,
) -> Result<(), Fault> {
    for (name, _) in table {
        if !keys.iter().any(|key| key.name == name.get_ref()) {
            let known = keys.iter().map(|key| key.name);
            let message = format!(
                "unknown key {} in {title}{}",
                name.get_ref(),
                suggestion(name.get_ref(), known)
            );
            return Err(fault(name, message));
        }
    }
    // In the order of the keys: a level is there before its hold.
    for key in keys {
        if let Some(given) = table.get(key.name) {
            let value = value(key.kind, spec, given.get_ref()).ok_or_else(|| {
                let expected = key.kind.expected(spec);
                fault(given, format!("{} in {title} must be {expected}", key.name))
            })?;
            (key.set)(settings, value);
        }
    }
    Ok(())
}

/// The value, if it is one of this kind.
fn value(kind: Kind, spec: Option<&AlertSpec>, value: &DeValue<'_>) -> Option<Value> {
    let most = spec.map_or(f64::MAX, |spec| spec.most);
    let number = |low: f64, high: f64| {
        number(value)
            .filter(|number| (low..=high).contains(number))
            .map(|number| Value::Number(Some(number)))
    };
    match kind {
        Kind::Flag => match value {
            DeValue::Boolean(flag) => Some(Value::Flag(*flag)),
            _ => None,
        },
        Kind::Threshold if matches!(value, DeValue::String(text) if &**text == "off") => {
            Some(Value::Number(None))
        }
        Kind::Threshold | Kind::Hold => number(0.0, most),
        Kind::Number(low, high) => number(low, high),
        Kind::Count(low, high) => match value {
            DeValue::Integer(_) => number(low.into(), high.into()),
            _ => None,
        },
        Kind::Time(low, high) => match value {
            DeValue::String(text) => text
                .parse::<SignedDuration>()
                .ok()
                .and_then(|time| Duration::try_from(time).ok())
                .filter(|time| (low..=high).contains(time))
                .map(Value::Time),
            _ => None,
        },
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(|integer| integer as f64),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}

/// That holds are not worse than what they hold, and critical is not milder than warning.
fn in_order(spec: &AlertSpec, settings: &mut Settings, table: &DeTable<'_>) -> Result<(), Fault> {
    let worse = settings.thresholds.worse;
    let at = |keys: [&str; 2]| keys.into_iter().find_map(|key| table.get(key));
    let beyond = match worse {
        Worse::Above => "above",
        Worse::Below => "below",
    };
    let levels = [
        ("warning", "warning_hold", &mut settings.thresholds.warning),
        (
            "critical",
            "critical_hold",
            &mut settings.thresholds.critical,
        ),
    ];
    for (raise_key, hold_key, level) in levels {
        let Some(Level { raise, hold }) = level else {
            if let Some(given) = table.get(hold_key) {
                let message = format!("{hold_key} holds nothing: {raise_key} is off");
                return Err(fault(given, message));
            }
            continue;
        };
        if worse.beyond(*hold, *raise) {
            match table.get(hold_key) {
                // The default's hold is for the default.
                None => *hold = *raise,
                Some(given) => {
                    let message = format!(
                        "{hold_key} = {hold} is {beyond} {raise_key} = {raise}: it would never hold"
                    );
                    return Err(fault(given, message));
                }
            }
        }
    }
    let raises = settings
        .thresholds
        .warning
        .zip(settings.thresholds.critical);
    if let Some((warning, critical)) = raises
        && worse.beyond(warning.raise, critical.raise)
        && let Some(given) = at(["warning", "critical"])
    {
        let message = format!(
            "warning = {} is {beyond} critical = {} of {}: it would never be seen; set both",
            warning.raise, critical.raise, spec.name
        );
        return Err(fault(given, message));
    }
    if settings.delay.max < settings.delay.down.max(settings.delay.up)
        && let Some(given) = at(["delay_max", "delay_down"]).or_else(|| table.get("delay_up"))
    {
        let message = "delay_max must not be less than delay_up and delay_down".to_owned();
        return Err(fault(given, message));
    }
    Ok(())
}

fn table<'a, 'i>(name: &str, value: &'a Spanned<DeValue<'i>>) -> Result<&'a DeTable<'i>, Fault> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err(fault(value, format!("{name} must be a table: [{name}]"))),
    }
}

fn fault<T>(at: &Spanned<T>, message: String) -> Fault {
    Fault {
        at: at.span().start,
        message,
    }
}

/// The nearest of the known names, or all of them.
fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), *name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > NEAR);
    match nearest {
        Some((_, name)) => format!("; did you mean {name}?"),
        None => format!("; there are {}", known.join(", ")),
    }
}
