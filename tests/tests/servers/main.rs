//! ctpulse together with real servers that its users run: each is started by the test that needs it, in a temporary directory and on
//! a port of the loopback interface that was free, and is gone when the test ends.
//!
//! `cargo xtask test` fetches the servers and builds the program under test; `CTPULSE_SERVERS` and `CTPULSE_BIN` name them.

mod answers;
#[expect(dead_code, reason = "the tests of the command line use more of it")]
#[path = "../cli/authority.rs"]
mod authority;
mod fleet;
mod netdata;
mod netdata_plugin;
#[expect(dead_code, reason = "the tests of the command line use more of it")]
#[path = "../cli/program.rs"]
mod program;
mod remote;
mod remote_write;
mod server;
#[expect(dead_code, reason = "the tests of the command line use more of it")]
#[path = "../cli/serving.rs"]
mod serving;
mod sshd;
#[path = "../cli/tree.rs"]
mod tree;
