//! The product from outside: the binary on generated fleets, held against their truth.
//!
//! One test binary, a module per subject:
//! - `readme`: the README's commands work and its tables are those of the program.
//! - `fleets`: every planted change is found, nothing else is, from logs and from a lake.
//! - `scenarios`: one story each: classes of drift, what looks like it, causes of refusals.
//! - `faults`: deaths and errors at system calls leave a lake whole, and the next run completes it.
//! - `power`: what an ingest acknowledged outlives a power cut, on a disk that is cut off.
//! - `model`: whatever happens to logs and to ingests, each row that was there is in the lake once.
//! - `mutations`: damage to the files of a lake is found out.
//! - `follow`: a lake that follows folders has each line once, whatever is done to the files.
//! - `soak`: the same for as long as one likes, with deaths, merges and questions all the time.
//! - `lakes`: a lake is exactly what its logs say, however it came about, and others can read it.
//! - `stores`: lakes in object stores hold what local ones do, whoever dies or writes at once.
//! - `chaos`: lakes in object stores that refuse, lose, delay and falsify answers.
//! - `front_ends`: a delivery that two servers logged is one.
//! - `fuzz`: what holds for any bytes holds for the corpora of the fuzz targets.
//! - `rehearse`: other settings of the inbound connector, tried on the sessions there were.
//! - `expect`: exports of connectors and certificates beside logs and in lakes.
//! - `planned`: planned changes are told as planned, by every command that tells findings.
//! - `exports`: what a SIEM is sent is what the views hold, whatever happens on the way.
//! - `deliveries`: exports to receivers that are processes of their own, with deaths on either side.
//! - `commands`: formats, exit codes, messages, escaping.
//! - `configuration`: what a file, the environment and the command line come to.
//! - `transcripts`: single sessions and messages, the review of a connector, the state of the logs.
//! - `reports`: the page says what was planted, and a browser shows it.
//! - `examples`: the ready questions are answered by the shipped fleet.
//! - `shell`: the shell of `sql` in a real terminal.
//! - `serve`: a driver that others wrote gets the rows that there are, whoever else asks for whatever.
//! - `cluster`: a scheduler and executors answer and take in what one process does, whoever dies.
//! - `python`: the package is installed from its wheel, and used as people use it.
//! - `lnav`: the log viewer takes our format.
//! - `powershell`: the PowerShell module passes options and names properties that there are.
//! - `windows`: the program for Windows answers the same, and takes what Windows has for paths and files.
//! - `receivers`: what `deliveries` sends to.
//! - `corpus`: real excerpts, from the folder that RELAYDRIFT_CORPUS names.

mod chaos;
mod cluster;
mod commands;
mod configuration;
mod corpus;
mod deliveries;
mod examples;
mod expect;
mod exports;
#[cfg(target_os = "linux")]
mod faults;
mod fleets;
mod follow;
mod front_ends;
mod fuzz;
mod lakes;
mod lnav;
mod model;
mod mutations;
mod planned;
#[cfg(target_os = "linux")]
mod power;
mod powershell;
mod python;
mod readme;
mod receivers;
mod rehearse;
mod reports;
mod scenarios;
mod serve;
mod shell;
mod soak;
mod stores;
mod transcripts;
mod util;
mod windows;
