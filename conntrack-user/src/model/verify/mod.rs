//! Verification of the probes' counts against the kernel's own, and against laws of conservation.

pub mod bracket;
pub mod by_laws;
pub mod conservation;
pub mod crosscheck;
pub mod grace;
