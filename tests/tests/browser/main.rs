//! The report in a browser: what it shows of a real recording, and that it asks for nothing.
//!
//! Needs Chromium and its driver; `cargo xtask test` sees to them. `CTPULSE_BIN` names the program under test.

mod bursts;
mod driver;
mod layout;
mod pictures;
mod report;
