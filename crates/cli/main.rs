//! The program `relaydrift`; all of it is in the library beside it.

use std::process::ExitCode;

/// Without huge pages (its feature `no_thp`): a run is short, and clearing two megabytes where a few kilobytes are
/// wanted costs it more than they give back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    relaydrift::main()
}
