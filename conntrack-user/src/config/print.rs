//! Prints settings as the text of a configuration file.

use std::fmt::{Result, Write};

use crate::{
    clock::format_duration,
    config::{
        keys::{ALERT_KEYS, ConfigKey, LIVE_KEYS, ON_ALERT_KEYS, Setting},
        settings::Config,
    },
    keyboard::actions::ACTIONS,
    model::alert::ALERTS,
};

pub(super) fn toml(config: &Config) -> String {
    let mut text = String::from(
        "# ctpulse's configuration. A key that is left out has its default.\n\
         #\n\
         # Keys of an alert:\n",
    );
    // Writing to a string does not fail.
    let _ = sections(&mut text, config.clone());
    text
}

fn sections(text: &mut String, mut config: Config) -> Result {
    explain(text, ALERT_KEYS)?;
    for spec in &ALERTS {
        let (meaning, most, unit) = (spec.meaning, spec.most, spec.unit);
        writeln!(text, "\n# {meaning}; thresholds from 0 to {most} {unit}")?;
        writeln!(text, "[alerts.{}]", spec.name)?;
        assign(text, ALERT_KEYS, &mut config.alerts.0[spec.id as usize])?;
    }
    writeln!(text, "\n# The command of --on-alert.")?;
    explain(text, ON_ALERT_KEYS)?;
    writeln!(text, "[on_alert]")?;
    assign(text, ON_ALERT_KEYS, &mut config.on_alert)?;
    writeln!(text, "\n# How the live view starts.")?;
    explain(text, LIVE_KEYS)?;
    writeln!(text, "[live]")?;
    assign(text, LIVE_KEYS, &mut config.live)?;
    writeln!(
        text,
        "\n# The keys of the live view, with blanks between them: characters, f1 to f12, space, up, down, left, right, home,\n\
         # end, pageup, pagedown, tab, enter, backspace, insert, delete. None: \"\"."
    )?;
    writeln!(text, "[live.keys]")?;
    for spec in &ACTIONS {
        let keys = quoted(&config.live.keys.written(spec.action));
        writeln!(text, "# {}\n{} = {keys}", spec.meaning, spec.name)?;
    }
    Ok(())
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn explain<S>(text: &mut String, keys: &[ConfigKey<S>]) -> Result {
    for key in keys {
        writeln!(text, "#   {}: {}", key.name, key.meaning)?;
        writeln!(text, "#     {}", key.setting.expected(None))?;
    }
    Ok(())
}

fn assign<S>(text: &mut String, keys: &[ConfigKey<S>], settings: &mut S) -> Result {
    for key in keys {
        if let Some(value) = value(&key.setting, settings) {
            writeln!(text, "{} = {value}", key.name)?;
        }
    }
    Ok(())
}

/// The value of a key in TOML; `None` where the settings do not have the key.
fn value<S>(setting: &Setting<S>, settings: &mut S) -> Option<String> {
    Some(match setting {
        Setting::Flag(at) => at(settings).to_string(),
        Setting::Threshold(at) => match at(settings) {
            Some(level) => level.raise.to_string(),
            None => "\"off\"".to_owned(),
        },
        Setting::Hold(at) => at(settings).as_ref()?.hold.to_string(),
        Setting::Number(_, at) => at(settings).to_string(),
        Setting::Count(_, at) => at(settings).to_string(),
        Setting::Word(_, at) => quoted(at(settings)),
        Setting::Time(_, at) => format!("\"{}\"", format_duration(*at(settings)?)),
    })
}
