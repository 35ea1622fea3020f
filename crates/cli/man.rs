//! `relaydrift man`: the help as manual pages.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_mangen::Man;

use crate::Exit;
use crate::args::{Cli, Global, ManArgs};

/// Writes the page of the program, or a page per command into a folder.
pub fn run(args: ManArgs, global: &Global) -> Result<Exit> {
    match args.dir {
        Some(dir) => {
            let cannot = || format!("cannot write manual pages to {}", dir.display());
            fs::create_dir_all(&dir).with_context(cannot)?;
            clap_mangen::generate_to(Cli::command(), &dir).with_context(cannot)?;
        }
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command()).render(&mut page)?;
            let mut out = global.output.open_text()?;
            out.write_all(&page)?;
            out.finish()?;
        }
    }
    Ok(Exit::Clean)
}
