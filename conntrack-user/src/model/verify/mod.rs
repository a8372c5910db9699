//! The proof: every probe count against the kernel's own.

pub mod crosscheck;
pub mod grace;
