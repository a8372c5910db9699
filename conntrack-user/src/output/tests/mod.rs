//! The same records in each format.

mod bursts;
mod contents;
mod csv;
mod doctor;
mod durations;
mod forecast_output;
mod formats;
mod hostile;
mod json;
mod netdata;
mod per_cpu;
mod records;
mod report;
mod samples;
mod text;
mod text_view;
mod top;
mod wrong;
