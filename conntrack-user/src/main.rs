//! The `ctpulse` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    conntrack_user::main()
}
