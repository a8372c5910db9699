//! Which format a scraper asks for.

use super::MetricsFormat;

/// The format for the value of `Accept`: the supported one with the highest weight, the first of equals. The classic text is for
/// whoever asks for none of them.
#[must_use]
pub fn format_for(accept: Option<&str>) -> MetricsFormat {
    let mut best = (0, MetricsFormat::Text);
    for range in accept.unwrap_or_default().split(',') {
        if let Some((weight, format)) = supported(range)
            && weight > best.0
        {
            best = (weight, format);
        }
    }
    best.1
}

/// A media range that names a supported format, with its weight in thousandths.
fn supported(range: &str) -> Option<(u32, MetricsFormat)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?;
    let parameters: Vec<(&str, &str)> = parts
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
        .collect();
    let get = |name: &str| {
        let mut parameters = parameters.iter();
        let found = parameters.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    };
    let is = |name, value| get(name).is_none_or(|given| given == value);
    let format = match &*kind.to_ascii_lowercase() {
        "application/openmetrics-text" if is("version", "1.0.0") => MetricsFormat::OpenMetrics,
        "application/vnd.google.protobuf"
            if get("proto") == Some("io.prometheus.client.MetricFamily")
                && get("encoding") == Some("delimited") =>
        {
            MetricsFormat::Protobuf
        }
        "text/plain" if is("version", "0.0.4") => MetricsFormat::Text,
        "text/*" | "*/*" => MetricsFormat::Text,
        _ => return None,
    };
    let weight = match get("q") {
        None => 1000,
        // What is no number has no weight; the cast saturates.
        Some(q) => (q.parse::<f64>().ok()?.clamp(0.0, 1.0) * 1000.0).round() as u32,
    };
    Some((weight, format))
}

#[cfg(test)]
mod tests {
    use MetricsFormat::{OpenMetrics, Protobuf, Text};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_format_with_the_highest_weight_is_taken() {
        // What Prometheus 2.42 sends, and 3.5 with and without native histograms.
        let old = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let text = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let native = format!(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,{text}"
        );
        for (accept, expected) in [
            (None, Text),
            (Some(""), Text),
            (Some("*/*"), Text),
            (
                Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
                Text,
            ),
            (Some(old), OpenMetrics),
            (Some(text), OpenMetrics),
            (Some(&*native), Protobuf),
            (Some("application/openmetrics-text"), OpenMetrics),
            (Some("application/openmetrics-text;version=0.0.1"), Text),
            (
                Some("text/plain;q=0.2, Application/OpenMetrics-Text;q=0.9"),
                OpenMetrics,
            ),
            (Some("application/openmetrics-text;q=0"), Text),
            (Some("application/openmetrics-text;q=x"), Text),
            (Some("application/vnd.google.protobuf"), Text),
        ] {
            assert_eq!(format_for(accept), expected, "{accept:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_has_an_answer(accept: String) {
            prop_assert!(!format_for(Some(&accept)).content_type().is_empty());
        }
    }
}
