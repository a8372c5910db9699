//! The programs, one file per family of functions. Their names and functions are in
//! `conntrack_ebpf::table`.

mod allocation;
mod confirm;
mod counted;
mod eviction;
mod expectation;
mod icmp;
mod insertion;
mod lookup;
mod packet;
mod removal;
