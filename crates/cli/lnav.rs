//! `relaydrift lnav`: send logs for the log viewer lnav, which colours, merges and searches them.

use std::io::Write;

use anyhow::Result;

use crate::Exit;
use crate::args::Global;

/// The log format as lnav 0.11 reads it.
const FORMAT: &str = include_str!("lnav/exchange_smtp_send.json");

/// Writes the log format.
pub fn run(global: &Global) -> Result<Exit> {
    let mut out = global.output.open_text()?;
    out.write_all(FORMAT.as_bytes())?;
    out.finish()?;
    Ok(Exit::Clean)
}
