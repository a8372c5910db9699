//! nfnetlink, the kernel's netlink interface to netfilter: questions and answers, one socket.
//!
//! Own code, because what is needed of netlink is little (fixed headers, a walk over attributes, one
//! question at a time) and every byte of it is checked here.

pub mod message;
pub mod socket;
