//! `relaydrift completions`: what a shell needs to complete the command line.

use std::io::Write;

use anyhow::Result;
use clap::CommandFactory;

use crate::Exit;
use crate::args::{Cli, CompletionsArgs, Global};

/// Writes the script of the shell.
pub fn run(args: CompletionsArgs, global: &Global) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "relaydrift", &mut script);
    let mut out = global.output.open_text()?;
    out.write_all(&script)?;
    out.finish()?;
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use clap_complete::Shell;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "relaydrift", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}");
            }
            assert!(script.contains("server-from"), "{shell}");
        }
    }
}
