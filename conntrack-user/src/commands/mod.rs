//! The commands: the ties between sources, model and output.

pub mod check;
pub mod config;
pub mod doctor;
pub mod events;
pub mod generate;
pub mod live;
pub mod record;
pub mod replay;
pub mod replay_live;
pub mod report;
pub mod stream;
pub mod terminal;
