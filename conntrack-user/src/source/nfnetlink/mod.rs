//! nfnetlink, the kernel's netlink interface to netfilter: requests, answers, one socket.
//!
//! This is our own code instead of a library, because little of netlink is needed (fixed headers, a walk over attributes, one
//! request at a time), and every length is checked here.

pub mod attribute;
pub mod message;
pub mod socket;
