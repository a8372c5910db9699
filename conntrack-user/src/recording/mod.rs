//! Recordings: the records of a stream, kept in a file.
//!
//! A recording is a sequence of blocks, each a gzip member (RFC 1952) of its own that holds whole JSON lines: `zcat FILE` gives
//! what `ctpulse stream --format json --buckets` prints. ctpulse's own data is in the member's extra field ([`block`]): the
//! version, the block's length, its number, the time it covers, and a checksum over all of that; gzip's own trailer has the
//! checksum of the contents. So every block can be found, skipped and read by itself, whatever happened to its neighbours, and a
//! file grows only by appending.
//!
//! To write, [`file`] opens a file and [`writer`] appends records to it as blocks ([`encoder`] makes those); [`held`] keeps the last of them in memory. To read, [`reader`]
//! gives the blocks, [`player`] the lines of a part of them ([`position`], [`pace`]), and [`records`] just the records.

pub(crate) mod block;
mod encoder;
pub(crate) mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub(crate) mod held;
pub(crate) mod pace;
pub(crate) mod player;
pub(crate) mod position;
pub(crate) mod reader;
mod records;
pub(crate) mod writer;

pub(crate) use records::open;

pub use self::{
    block::BlockFault,
    position::{Position, PositionError},
    reader::{Damage, DamageKind, Ending, ReadError},
    records::{Recording, RecordingError},
};

#[cfg(test)]
mod tests;
