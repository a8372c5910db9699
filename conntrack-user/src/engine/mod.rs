//! What runs.

pub mod alert_hook;
pub mod instance;
pub mod notices;
pub mod pace;
pub mod probes;
pub mod session;
pub mod survey;
pub mod top;
