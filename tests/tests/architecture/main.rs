//! The architecture, held against the source: which room may name which, who may do what, and how large things get.
//!
//! ARCHITECTURE.md says what the rooms are for; what it calls an invariant is checked here, and each check is shown to find a
//! breach.

mod document;
mod programs;
mod rules;
mod source;
mod unsafe_code;
mod walls;
