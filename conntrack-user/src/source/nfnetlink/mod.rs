//! nfnetlink, the kernel's netlink interface to netfilter: requests, answers, one socket.
//!
//! Own code, because what is needed of netlink is little (fixed headers, a walk over attributes, one
//! request at a time) and every byte of it is checked here.

pub mod attribute;
pub mod message;
pub mod socket;
