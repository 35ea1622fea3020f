//! Reads Exchange SMTP send-protocol logs: lines, records, certificates, replies, sessions

pub mod certificate;
pub mod command;
pub mod dn;
pub mod endpoint;
pub mod note;
pub mod peer;
pub mod reply;
pub mod text;
pub mod time;
