//! The live page: charts of what the server sends, in a browser. It needs nothing from elsewhere, and may ask only where it came from.
//!
//! It is the same for all who ask. Its numbers come as events, each a record of JSON.

use serde::Serialize;

use crate::{
    model::{
        kernel::charts::{CHARTS, Dimension, Quantity},
        record::derived::{CAUSES, NEAR},
    },
    output::{
        format::number::WRONG,
        page::{self, PageFormats, policy, script_json},
    },
};

const STYLE: &str = include_str!("page/live.css");
const PAST: &str = include_str!("page/past.js");
const BURSTS: &str = include_str!("page/burst_groups.js");
const SCRIPT: &str = include_str!("page/live.js");
/// What is before and after the explanation of the charts.
const START: &str = include_str!("page/live.html");
const END: &str = include_str!("page/live_end.html");

/// The page, and what it may do.
#[derive(Debug)]
pub struct LivePage {
    pub html: String,
    /// Its content security policy.
    pub policy: String,
}

/// What the script has to know.
#[derive(Serialize)]
struct LiveData {
    #[serde(flatten)]
    formats: PageFormats,
    /// The origin of all times, in microseconds since 1970, and what is shown; set with the first sample.
    origin: i64,
    from: i64,
    to: i64,
    /// Those that are shown, likewise.
    instances: [(); 0],
    charts: Vec<LiveChart>,
    /// The mark of numbers that a check proved wrong.
    wrong: &'static str,
    /// The counters, causes before effects.
    causes: Vec<LiveCause>,
    /// Bursts closer than this, in microseconds, belong together.
    near: i128,
}

#[derive(Serialize)]
struct LiveCause {
    counter: &'static str,
    charted: bool,
}

#[derive(Serialize)]
struct LiveChart {
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    dimensions: Vec<LiveDimension>,
}

#[derive(Serialize)]
struct LiveDimension {
    name: &'static str,
    /// The name of its counter; none for the entries.
    counter: Option<&'static str>,
    below: bool,
}

impl From<&Dimension> for LiveDimension {
    fn from(dimension: &Dimension) -> Self {
        Self {
            name: dimension.name,
            counter: match dimension.quantity {
                Quantity::Entries => None,
                Quantity::Rate(counter) => Some(counter.spec().name),
            },
            below: dimension.below,
        }
    }
}

/// Makes the page.
#[must_use]
pub fn live_page() -> LivePage {
    let charts = CHARTS.iter().map(|chart| LiveChart {
        name: chart.name,
        title: chart.title,
        unit: chart.unit,
        dimensions: chart.dimensions.iter().map(LiveDimension::from).collect(),
    });
    let causes = CAUSES.iter().map(|cause| LiveCause {
        counter: cause.spec().name,
        charted: cause.is_charted(),
    });
    let data = LiveData {
        formats: PageFormats::new(),
        origin: 0,
        from: 0,
        to: 1,
        instances: [],
        charts: charts.collect(),
        wrong: WRONG,
        causes: causes.collect(),
        near: NEAR.as_micros(),
    };
    // Numbers and strings can always be serialized.
    let data = script_json(&serde_json::to_string(&data).unwrap_or_default());
    let style = format!("{}{STYLE}", page::STYLE);
    let script = format!("{}{PAST}{BURSTS}{SCRIPT}", page::CHARTS);
    let mut how = String::new();
    // Writing to a String cannot fail.
    let _ = page::how_to_read(&mut how);
    LivePage {
        html: format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
             <title>ctpulse</title>\n<style>{style}</style>\n</head>\n<body data-state=\"connecting\">\n\
             {START}{how}{END}<script type=\"application/json\" id=\"data\">{data}</script>\n\
             <script>{script}</script>\n</body>\n</html>\n"
        ),
        policy: policy(
            &style,
            &script,
            "; connect-src 'self'; frame-ancestors 'none'",
        ),
    }
}
