//! Tests of the live view: every screen at common sizes, key bindings, and that no size and no order of records makes it panic.
//!
//! The screens show a recording of a guest (`tests/fixtures/records/`), with additions made by hand. A changed snapshot changes
//! what users see: look at it before accepting it.

mod answers;
mod keys;
mod lists;
mod screens;
mod sizes;
mod stage;
mod states;
