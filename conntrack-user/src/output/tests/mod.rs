//! The same records in each format.

mod bursts;
mod contents;
mod durations;
mod forecast_output;
mod hostile;
mod hostile_contents;
mod netdata;
mod output;
mod per_cpu;
mod report;
mod text_view;
mod top;
mod wrong;
