//! Questions in SQL, a file each, answered as plain records; and times as they are shown.

use anyhow::{Context, Result};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::prelude::{DataFrame, SessionContext};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::output;

/// A question: its name for messages, and its SQL.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The stem of its file.
    pub name: &'static str,
    /// The text of its file; `$name` stands for a value.
    pub sql: &'static str,
}

/// The questions of a command: a constant for each file `NAME.sql` in its folder, and the tests that
/// the folder has no others and that each is answered.
macro_rules! questions {
    ($folder:literal: $($constant:ident $name:literal),* $(,)?) => {
        $(
            #[doc = concat!("See `", $name, ".sql`.")]
            pub const $constant: $crate::ask::Question = $crate::ask::Question {
                name: $name,
                sql: include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"), "/crates/cli/", $folder, "/", $name, ".sql"
                )),
            };
        )*
        #[cfg(test)]
        mod questions {
            const ALL: &[$crate::ask::Question] = &[$(super::$constant),*];

            #[test]
            fn the_folder_is_the_list() {
                $crate::ask::tests::the_folder_is_the_list($folder, ALL);
            }

            #[tokio::test]
            async fn every_question_is_answered_over_nothing() {
                $crate::ask::tests::answered_over_nothing(ALL).await;
            }
        }
    };
}
pub(crate) use questions;

impl Question {
    /// The rows of the answer, each read into a record by the names of its columns.
    pub async fn ask<T: DeserializeOwned>(self, ctx: &SessionContext) -> Result<Vec<T>> {
        self.ask_with(ctx, &[]).await
    }

    /// The same on a task of its own: what is begun together shares the cores.
    pub fn begin<T: DeserializeOwned + Send + 'static>(
        self,
        ctx: &SessionContext,
    ) -> impl Future<Output = Result<Vec<T>>> {
        let ctx = ctx.clone();
        let task = SpawnedTask::spawn(async move { self.ask(&ctx).await });
        async move { task.join_unwind().await? }
    }

    /// The same with values for the `$name`s of the question; they never become text of SQL.
    pub async fn ask_with<T: DeserializeOwned>(
        self,
        ctx: &SessionContext,
        values: &[(&str, ScalarValue)],
    ) -> Result<Vec<T>> {
        let context = || format!("the question {} was not answered", self.name);
        let mut question = ctx.sql(self.sql).await.with_context(context)?;
        if !values.is_empty() {
            let values: Vec<_> = values.to_vec();
            question = question
                .with_param_values(ParamValues::from(values))
                .with_context(context)?;
        }
        records(question).await.with_context(context)
    }
}

/// The rows of any answer, each read into a record by the names of its columns.
pub async fn records<T: DeserializeOwned>(answer: DataFrame) -> Result<Vec<T>> {
    let mut rows = Vec::new();
    for batch in &answer.collect().await? {
        for row in output::objects(batch)? {
            rows.push(serde_json::from_slice(&row)?);
        }
    }
    Ok(rows)
}

/// A time: microseconds since 1970, UTC; RFC 3339 in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// `2026-10-05 10:02:11.123`
    pub fn milli(self) -> String {
        let text = relaydrift_parse::time::format(self.0).replace('T', " ");
        text.chars().take(23).collect()
    }

    /// `2026-10-05 10:02:11`
    pub fn second(self) -> String {
        self.milli().chars().take(19).collect()
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
pub mod tests {
    use super::*;
    use relaydrift_datafusion::{Source, register_all, session_context};
    use std::sync::Arc;

    pub async fn answered_over_nothing(questions: &[Question]) {
        let ctx = session_context(1);
        register_all(&ctx, Source::Batches(Arc::default()))
            .await
            .unwrap();
        let placeholder = regex::Regex::new(r"\$(\w+)").unwrap();
        for question in questions {
            let names = placeholder.captures_iter(question.sql);
            let values: Vec<(&str, ScalarValue)> = names
                .map(|name| (name.get(1).unwrap().as_str(), ScalarValue::Utf8(None)))
                .collect();
            let rows: Vec<serde_json::Value> = question.ask_with(&ctx, &values).await.unwrap();
            assert!(rows.len() <= 1, "{}", question.name);
        }
    }

    pub fn the_folder_is_the_list(folder: &str, questions: &[Question]) {
        let folder = format!("{}/crates/cli/{folder}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder).unwrap().filter_map(|file| {
            file.unwrap()
                .file_name()
                .to_str()?
                .strip_suffix(".sql")
                .map(str::to_string)
        });
        let mut files: Vec<String> = files.collect();
        let mut names: Vec<&str> = questions.iter().map(|question| question.name).collect();
        files.sort();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    #[test]
    fn times_are_read_and_shown() {
        let time: Time = serde_json::from_str("\"2026-10-05T10:02:11.123456Z\"").unwrap();
        assert_eq!(time.milli(), "2026-10-05 10:02:11.123");
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
