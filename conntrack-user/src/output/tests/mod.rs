//! What each format makes of the same records.

mod bursts;
mod durations;
mod forecast_output;
mod hostile;
mod output;
mod per_cpu;
mod report;
mod text_view;
mod top;
