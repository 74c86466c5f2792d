//! The program: its exit code, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    shardflake_server::cli::run()
}
