//! `relaydrift ingest`: new lines of the logs into a lake, each exactly once.

use anyhow::Result;

use crate::Exit;
use crate::args::{Global, IngestArgs};

pub async fn run(_args: IngestArgs, _global: &Global, _threads: usize) -> Result<Exit> {
    anyhow::bail!("not yet")
}
