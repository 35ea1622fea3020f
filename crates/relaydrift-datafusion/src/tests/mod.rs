//! Tests of the whole crate: SQL files, the span property, the host's side.

mod expected;
mod host;
mod lake;
mod logs;
mod slt;
mod spans;
