//! Compiles the .proto file with `protox`, so that no `protoc` has to be installed.

use prost::Message as _;
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let file = "proto/commonhold/v1/commonhold.proto";
    println!("cargo:rerun-if-changed={file}");
    let descriptors = protox::compile([file], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let service = env::var_os("CARGO_FEATURE_SERVICE").is_some();
    tonic_prost_build::configure()
        .build_client(service)
        .build_server(service)
        // The wire form of a value is read straight into the core type.
        .extern_path(".commonhold.v1.Value", "crate::Value")
        // A frame is read by hand, with bounds.
        .extern_path(".commonhold.v1.ClientFrame", "crate::frame::ClientFrame")
        // `login` writes their `Debug` without what is in them.
        .skip_debug([".commonhold.v1.ClientFinal", ".commonhold.v1.ServerFinal"])
        .bytes(".commonhold.v1.Part.data")
        .bytes(".commonhold.v1.Opaque.bytes")
        .compile_fds(descriptors)?;
    Ok(())
}
