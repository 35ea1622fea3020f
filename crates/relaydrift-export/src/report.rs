//! One page for people who open no shell: what every connector presented, when that changed, what
//! it did to mail, and what to do next.
//!
//! The caller fills the plain records of [`model`]; everything else follows from them. Whatever is
//! drawn uses the same segments, letters and numbers, so that a certificate has one letter and a
//! change one number wherever they are looked at.
//!
//! The page is one file without script, image or any other reference. Its policy forbids all of
//! them, so that even a mistake of ours could load nothing.

mod chart;
mod finding;
mod fold;
mod lane;
mod letters;
mod mail;
pub mod model;
mod page;
mod picture;
mod png;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use chart::{Style, chart};
pub use mail::{Envelope, mail};
pub use page::html;
pub use png::png;
pub use text::Text;
