//! The live view: every screen at every common size, what keys do, and that no size or order of records
//! brings it down.
//!
//! What is drawn comes from a recording of a guest (`tests/fixtures/records/`), with what that had no occasion for
//! added by hand. A change of a snapshot is a change of what users see: look at it before accepting it.

mod keys;
mod screens;
mod sizes;
mod stage;
