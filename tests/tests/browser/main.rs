//! The report and the live page in a browser: what they show, and that they ask for nothing elsewhere.
//!
//! Needs Chromium and its driver; `cargo xtask test` sees to them. `CTPULSE_BIN` names the program under test.

mod bursts;
mod driver;
mod layout;
mod live_page;
mod pictures;
mod report;
mod stage;
