//! Recordings: the records of a stream, kept in a file.
//!
//! A recording is a row of blocks, each a gzip member (RFC 1952) of its own that holds whole JSON lines:
//! `zcat FILE` gives what `ctpulse stream --format json --buckets` wrote. What is ours stands in the
//! member's extra field ([`block`]): the version, the block's length, its place in the row, the time it
//! covers, and a checksum over all of that; gzip's own trailer has the checksum of the contents. So every
//! block can be found, skipped and read by itself, whatever happened to those around it, and a file grows
//! by appending alone.
//!
//! [`writer`] appends blocks, [`reader`] reads what is there, [`player`] goes through it in time.

pub mod block;
pub mod player;
pub mod reader;
pub mod writer;

#[cfg(test)]
mod tests;
