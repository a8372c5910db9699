//! The commands: the ties between sources, model and output.

pub mod attachment;
pub mod check;
pub mod config;
pub mod culprits;
pub mod doctor;
pub mod events;
pub mod generate;
pub mod live;
pub mod notices;
pub mod on_alert;
pub mod record;
pub mod replay;
pub mod replay_live;
pub mod report;
pub mod session;
pub mod stream;
pub mod survey;
pub mod terminal;
pub mod watched;
