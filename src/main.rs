//! The command `commonhold`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(commonhold_cli::run(std::env::args_os()))
}
