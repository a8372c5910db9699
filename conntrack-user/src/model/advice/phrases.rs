//! Numbers and command lines in advice.

use crate::text::Text;

/// 1234567 as `1,234,567`.
pub(super) fn amount(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With as many digits as matter.
pub(super) fn percent(percent: f64) -> String {
    match percent.abs() {
        0.0 => "0 %".to_owned(),
        ..0.1 => "under 0.1 %".to_owned(),
        ..10.0 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

pub(super) fn per_second(rate: f64) -> String {
    match rate {
        ..10.0 => format!("{rate:.1}/s"),
        _ => format!("{}/s", amount(rate.round() as u64)),
    }
}

pub(super) fn bytes(bytes: f64) -> String {
    const KIB: f64 = 1024.0;
    let (number, unit) = match bytes / KIB {
        ..1.0 => return format!("{bytes:.0} B"),
        ..KIB => (bytes / KIB, "KiB"),
        _ if bytes < KIB.powi(3) => (bytes / KIB.powi(2), "MiB"),
        _ => (bytes / KIB.powi(3), "GiB"),
    };
    match number {
        ..10.0 => format!("{number:.1} {unit}"),
        _ => format!("{number:.0} {unit}"),
    }
}

pub(super) fn duration(seconds: f64) -> String {
    let (number, unit) = match seconds {
        ..10.0 => return format!("{seconds:.1} s"),
        ..120.0 => (seconds, "s"),
        ..7_200.0 => (seconds / 60.0, "min"),
        ..172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "days"),
    };
    format!("{number:.0} {unit}")
}

/// The command line that sets a sysctl, or sets it back.
pub(super) fn sysctl(name: &str, value: u64) -> Text {
    format!("sysctl -w {name}={value}").into()
}
