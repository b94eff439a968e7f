//! Refuses Pythons that the package is not made for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if pyo3_build_config::get().is_free_threaded() {
        println!(
            "cargo::error=commonhold is not made for free-threaded Python yet: use a build of the same version that has the \
             interpreter's lock"
        );
    }
}
