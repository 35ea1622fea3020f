//! Spans against their slow twin.
