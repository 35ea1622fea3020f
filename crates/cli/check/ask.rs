//! The questions that a check asks: one file of SQL each, answered as plain records.

use anyhow::{Context, Result};
use datafusion::prelude::SessionContext;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::output;

/// A question: its name for messages, and its SQL.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    name: &'static str,
    sql: &'static str,
}

macro_rules! questions {
    ($($constant:ident $name:literal),* $(,)?) => {
        $(
            #[doc = concat!("See `", $name, ".sql`.")]
            pub const $constant: Question =
                Question { name: $name, sql: include_str!(concat!($name, ".sql")) };
        )*
        #[cfg(test)]
        pub const ALL: &[Question] = &[$($constant),*];
    };
}

questions! {
    CONNECTORS "connectors",
    PRESENTED "presented",
    CHANGES "changes",
    REFUSED "refused",
    GAPS "gaps",
    REJECTS "rejects",
    EXTENT "extent",
}

impl Question {
    /// The rows of the answer, each read into a record by the names of its columns.
    pub async fn ask<T: DeserializeOwned>(self, ctx: &SessionContext) -> Result<Vec<T>> {
        let context = || format!("the question {} was not answered", self.name);
        let batches = ctx
            .sql(self.sql)
            .await
            .with_context(context)?
            .collect()
            .await
            .with_context(context)?;
        let mut rows = Vec::new();
        for batch in &batches {
            for row in output::objects(batch)? {
                rows.push(serde_json::from_slice(&row).with_context(context)?);
            }
        }
        Ok(rows)
    }
}

/// A time: microseconds since 1970, UTC; RFC 3339 in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// `2026-10-05 10:02:11`
    pub fn second(self) -> String {
        relaydrift_parse::time::format(self.0)
            .replace('T', " ")
            .chars()
            .take(19)
            .collect()
    }

    /// `2026-10-05 10:02`
    pub fn minute(self) -> String {
        self.second().chars().take(16).collect()
    }

    /// `2026-10-05`
    pub fn day(self) -> String {
        self.second().chars().take(10).collect()
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&relaydrift_parse::time::format(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        relaydrift_parse::time::parse(text.as_bytes())
            .map(Time)
            .ok_or_else(|| serde::de::Error::custom("not a time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relaydrift_datafusion::{Source, register_all, session_context};
    use std::sync::Arc;

    #[tokio::test]
    async fn every_question_is_answered_over_nothing() {
        let ctx = session_context(1);
        register_all(&ctx, Source::Batches(Arc::default()))
            .await
            .unwrap();
        for question in ALL {
            let rows: Vec<serde_json::Value> = question.ask(&ctx).await.unwrap();
            assert!(rows.len() <= 1, "{}", question.name);
        }
    }

    #[test]
    fn the_folder_is_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/cli/check");
        let files = std::fs::read_dir(folder).unwrap().filter_map(|file| {
            file.unwrap()
                .file_name()
                .to_str()?
                .strip_suffix(".sql")
                .map(str::to_string)
        });
        let mut files: Vec<String> = files.collect();
        let mut names: Vec<&str> = ALL.iter().map(|question| question.name).collect();
        files.sort();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    #[test]
    fn times_are_read_and_shown() {
        let time: Time = serde_json::from_str("\"2026-10-05T10:02:11.123456Z\"").unwrap();
        assert_eq!(time.second(), "2026-10-05 10:02:11");
        assert_eq!(
            (time.minute().as_str(), time.day().as_str()),
            ("2026-10-05 10:02", "2026-10-05")
        );
        assert_eq!(
            serde_json::to_string(&time).unwrap(),
            "\"2026-10-05T10:02:11.123456Z\""
        );
    }
}
