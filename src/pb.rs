//! Generated messages. Nothing here is written by hand.
#![allow(warnings, clippy::all, clippy::pedantic, clippy::restriction, reason = "generated")]
tonic::include_proto!("sharehub.v1");
include!(concat!(env!("OUT_DIR"), "/served/sharehub.v1.rs"));

/// The compiled schema, for reflection and for the completeness tests.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("sharehub");
