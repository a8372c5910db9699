//! The same records in each format.

mod bursts;
mod durations;
mod forecast_output;
mod hostile;
mod netdata;
mod output;
mod per_cpu;
mod report;
mod text_view;
mod top;
mod wrong;
