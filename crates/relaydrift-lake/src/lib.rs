//! The relaydrift lake: Parquet files committed to Delta tables, each line exactly once
