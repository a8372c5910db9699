//! Verification of the probes' counts against the kernel's own.

pub mod crosscheck;
pub mod grace;
