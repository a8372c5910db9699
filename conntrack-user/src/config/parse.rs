//! Parses the text of a configuration: toml gives the tables with their positions, serde the values, and the rows of
//! [`super::keys`] what they set.

use std::{ops::RangeInclusive, str};

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use crate::{
    clock::parse_duration,
    config::{
        keys::{ALERT_KEYS, ConfigKey, LIVE_KEYS, ON_ALERT_KEYS, Setting},
        mistake::{Hint, Mistake},
        settings::Config,
    },
    keyboard::{actions::ACTIONS, bindings::Bindings},
    model::alert::{ALERTS, AlertRule, AlertSpec, Level, Worse, named},
    text::Text,
};

/// A mistake, and the offset in the text where it is.
pub(super) struct MistakeAt(pub(super) usize, pub(super) Mistake);

pub(super) fn config(bytes: &[u8]) -> Result<Config, MistakeAt> {
    let text =
        str::from_utf8(bytes).map_err(|error| MistakeAt(error.valid_up_to(), Mistake::NotText))?;
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        MistakeAt(at, Mistake::Syntax(Text::excerpt(error.message())))
    })?;
    let mut config = Config::default();
    for (name, value) in document.get_ref() {
        match &**name.get_ref() {
            "alerts" => {
                for (name, value) in table("alerts", value)? {
                    let spec = named(name.get_ref()).ok_or_else(|| {
                        let known = ALERTS.iter().map(|spec| spec.name);
                        unknown(name, known, Mistake::Alert)
                    })?;
                    let title = format!("alerts.{}", spec.name);
                    let settings = &mut config.alerts.0[spec.id as usize];
                    let table = table(&title, value)?;
                    section(&title, ALERT_KEYS, settings, Some(spec), table, None)?;
                    check_order(spec, settings, table)?;
                }
            }
            "on_alert" => {
                let table = table("on_alert", value)?;
                section(
                    "on_alert",
                    ON_ALERT_KEYS,
                    &mut config.on_alert,
                    None,
                    table,
                    None,
                )?;
            }
            "live" => {
                let table = table("live", value)?;
                section(
                    "live",
                    LIVE_KEYS,
                    &mut config.live,
                    None,
                    table,
                    Some("keys"),
                )?;
                if let Some(keys) = table.get("keys") {
                    bindings(&mut config.live.keys, keys)?;
                }
            }
            _ => {
                let known = ["alerts", "on_alert", "live"];
                return Err(unknown(name, known, Mistake::Table));
            }
        }
    }
    Ok(config)
}

/// Applies `[live.keys]`.
fn bindings(bindings: &mut Bindings, value: &Spanned<DeValue<'_>>) -> Result<(), MistakeAt> {
    let table = table("live.keys", value)?;
    let mut given = Vec::new();
    for (name, value) in table {
        let spec = ACTIONS.iter().find(|spec| spec.name == name.get_ref());
        let spec = spec.ok_or_else(|| {
            let key = |name, hint| Mistake::Key(name, "live.keys".to_owned(), hint);
            unknown(name, ACTIONS.iter().map(|spec| spec.name), key)
        })?;
        let keys: String = read(value).unwrap_or_else(|| "not a text".to_owned());
        bindings
            .bind(spec.action, &keys)
            .map_err(|error| mistake(value, Mistake::Binding(spec.name, error)))?;
        given.push((spec, value));
    }
    // All of them are known now: keys can be exchanged.
    for (spec, value) in given {
        bindings
            .check(spec.action)
            .map_err(|error| mistake(value, Mistake::Binding(spec.name, error)))?;
    }
    Ok(())
}

/// Applies the keys of one table to its settings, but for a table in it.
fn section<S>(
    title: &str,
    keys: &[ConfigKey<S>],
    settings: &mut S,
    alert: Option<&AlertSpec>,
    table: &DeTable<'_>,
    inner: Option<&str>,
) -> Result<(), MistakeAt> {
    let keys: Vec<_> = keys
        .iter()
        .filter(|key| key.setting.exists(settings))
        .collect();
    for (name, _) in table {
        let is_inner = inner.is_some_and(|inner| inner == name.get_ref());
        if !is_inner && !keys.iter().any(|key| key.name == name.get_ref()) {
            let key = |name, hint| Mistake::Key(name, title.to_owned(), hint);
            let known = keys.iter().map(|key| key.name);
            return Err(unknown(name, known, key));
        }
    }
    // In the order of the keys: a level is set before its hold.
    for key in keys {
        if let Some(given) = table.get(key.name) {
            key.setting.set(settings, alert, given).ok_or_else(|| {
                let expected = key.setting.expected(alert);
                mistake(given, Mistake::Value(key.name, title.to_owned(), expected))
            })?;
        }
    }
    Ok(())
}

impl<S> Setting<S> {
    /// Sets the key; `None` when the value has the wrong type or is out of range.
    fn set(
        &self,
        settings: &mut S,
        alert: Option<&AlertSpec>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<()> {
        let threshold = || {
            within(
                &(0.0..=alert.map_or(f64::MAX, |spec| spec.most)),
                read(value)?,
            )
        };
        match self {
            Self::Flag(at) => *at(settings) = read(value)?,
            Self::Threshold(at) => {
                let level = at(settings);
                *level = match value.get_ref() {
                    DeValue::String(text) if text == "off" => None,
                    _ => {
                        let raise = threshold()?;
                        // The hold of a level that was off is its raise until it is set.
                        let hold = level.map_or(raise, |level| level.hold);
                        Some(Level { raise, hold })
                    }
                };
            }
            Self::Hold(at) => {
                let hold = threshold()?;
                if let Some(level) = at(settings) {
                    level.hold = hold;
                }
            }
            Self::Number(range, at) => *at(settings) = within(range, read(value)?)?,
            Self::Count(range, at) => *at(settings) = within(range, read(value)?)?,
            Self::Word(words, at) => {
                let text: String = read(value)?;
                *at(settings) = words.iter().find(|word| **word == text)?;
            }
            Self::Time(range, at) => {
                let text: String = read(value)?;
                *at(settings)? = within(range, parse_duration(&text)?)?;
            }
        }
        Some(())
    }
}

fn read<'de, T: Deserialize<'de>>(value: &Spanned<DeValue<'de>>) -> Option<T> {
    T::deserialize(ValueDeserializer::from(value.clone())).ok()
}

fn within<T: PartialOrd>(range: &RangeInclusive<T>, value: T) -> Option<T> {
    range.contains(&value).then_some(value)
}

/// Checks that holds are not worse than their levels, that critical is not milder than warning, and that no delay is longer
/// than the longest.
fn check_order(
    spec: &AlertSpec,
    settings: &mut AlertRule,
    table: &DeTable<'_>,
) -> Result<(), MistakeAt> {
    let levels = &mut settings.thresholds;
    let worse = levels.worse;
    let beyond = match worse {
        Worse::Above => "above",
        Worse::Below => "below",
    };
    for (key, hold_key, level) in [
        ("warning", "warning_hold", &mut levels.warning),
        ("critical", "critical_hold", &mut levels.critical),
    ] {
        match (level, table.get(hold_key)) {
            (None, Some(hold)) => return Err(mistake(hold, Mistake::HoldOfNothing(key))),
            (Some(level), given) if worse.beyond(level.hold, level.raise) => match given {
                // The default hold belongs to the default level.
                None => level.hold = level.raise,
                Some(given) => {
                    let beyond = Mistake::HoldBeyondLevel(key, *level, beyond);
                    return Err(mistake(given, beyond));
                }
            },
            _ => {}
        }
    }
    let given = |keys: &[&str]| keys.iter().find_map(|key| table.get(*key));
    if let Some((warning, critical)) = levels.warning.zip(levels.critical)
        && worse.beyond(warning.raise, critical.raise)
        && let Some(given) = given(&["warning", "critical"])
    {
        let (name, warning, critical) = (spec.name, warning.raise, critical.raise);
        let beyond = Mistake::WarningBeyondCritical(name, warning, critical, beyond);
        return Err(mistake(given, beyond));
    }
    if settings.delay.max < settings.delay.down.max(settings.delay.up)
        && let Some(given) = given(&["delay_max", "delay_down", "delay_up"])
    {
        return Err(mistake(given, Mistake::DelayBeyondMax));
    }
    Ok(())
}

fn table<'a, 'i>(
    name: &str,
    value: &'a Spanned<DeValue<'i>>,
) -> Result<&'a DeTable<'i>, MistakeAt> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err(mistake(value, Mistake::NoTable(name.to_owned()))),
    }
}

fn mistake<T>(at: &Spanned<T>, mistake: Mistake) -> MistakeAt {
    MistakeAt(at.span().start, mistake)
}

fn unknown<T: AsRef<str>>(
    name: &Spanned<T>,
    known: impl IntoIterator<Item = &'static str>,
    kind: impl FnOnce(Text, Hint) -> Mistake,
) -> MistakeAt {
    let text = name.get_ref().as_ref();
    mistake(name, kind(Text::excerpt(text), Hint::new(text, known)))
}
