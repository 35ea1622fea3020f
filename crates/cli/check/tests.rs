//! Reports made by hand, read as an administrator would.
