//! The probes: what the host offers (`facts`) → what to attach (`plan`, pure) → attached programs
//! (`attach`). The only module that names aya.

pub mod attach;
pub mod btf;
pub mod diagnostics;
pub mod events;
pub mod facts;
pub mod kallsyms;
pub mod layout;
pub mod leaders;
pub mod missed;
pub mod plan;
pub mod spec;
