//! What the keys of the live view do: the table of actions ([`actions`]), keys as people write them ([`key`]), and which key does
//! what ([`bindings`]). No terminal and no view.

pub mod actions;
pub mod bindings;
pub mod key;
