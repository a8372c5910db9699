//! The programs, one file per family of functions. `conntrack_ebpf::table` lists them with their functions.

mod allocation;
mod confirm;
mod counted;
mod eviction;
mod expectation;
mod icmp;
mod insertion;
mod lookup;
mod nat;
mod packet;
mod removal;
