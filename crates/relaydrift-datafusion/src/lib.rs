//! relaydrift as a DataFusion plugin: tables, views and functions
