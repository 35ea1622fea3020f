//! Send logs into Arrow: files, pieces, sessions, column builders
