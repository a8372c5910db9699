//! What the advice is to be about.

/// What the user asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct AdviceWishes {
    /// The part of the table that is to stay free, in percent.
    pub headroom_percent: f64,
    /// How long the table has to suffice, in seconds.
    pub horizon_s: f64,
    /// What would be under other circumstances; `None` if that was not asked.
    pub what_if: Option<WhatIf>,
}

/// Other circumstances.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WhatIf {
    /// How many times as many new flows; `None`: as many.
    pub rate: Option<f64>,
    /// Timeouts in seconds by name, as in [`crate::model::record::TableLimits::timeouts`].
    pub timeouts: Vec<(String, u64)>,
}

impl Default for AdviceWishes {
    fn default() -> Self {
        Self {
            headroom_percent: 25.0,
            horizon_s: 86_400.0,
            what_if: None,
        }
    }
}
