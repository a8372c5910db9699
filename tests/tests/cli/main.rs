//! The whole program on this machine: its command line, and what it makes of `/proc` trees of every
//! kernel era that change while it runs.
//!
//! No test needs a kernel with probes: those are the guests' scenarios. `CTPULSE_BIN` names the
//! program under test; `cargo xtask test` builds it and sets that.

mod advise;
mod alert_config;
mod alerts;
mod authority;
mod brief_namespaces;
mod checks;
mod elsewhere;
mod ends;
mod eras;
mod events_to;
mod field;
mod field_files;
mod field_namespaces;
mod field_thresholds;
mod formats;
mod from;
mod from_hostile;
mod from_server;
mod host;
mod hostile;
mod http_server;
mod live;
mod live_keys;
mod manual;
mod netdata;
mod on_alert;
mod per_cpu;
mod privileges;
mod program;
mod recordings;
mod report;
mod runbook;
mod same_numbers;
mod schema;
mod serve;
mod serve_hostile;
mod serve_metrics;
mod serve_tls;
mod serving;
mod spawned;
mod starved;
mod stream;
mod stuck;
mod stuck_fifos;
mod stuck_logs;
mod tmux;
mod tree;
mod trouble;
mod usage;
mod workloads;
