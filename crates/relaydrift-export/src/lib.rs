//! Findings for SIEMs and for people: one canonical event, a renderer per format, transports apart.

pub mod escape;
