//! The command `commonhold`, which the package carries.

use pyo3::prelude::*;
use std::ffi::OsString;

/// Runs the command with its arguments, the first of which is its own name, and returns its exit code.
///
/// program: what starts it again, with its first arguments: some verbs run themselves in a process of their own.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, program: Vec<OsString>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| commonhold_cli::run_as(program, arguments))
}
