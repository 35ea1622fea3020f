//! Tests of the whole crate: SQL files, the span property, the host's side.

mod host;
mod logs;
mod slt;
mod spans;
