//! Ready questions: the files of the folder `sql/examples`, compiled in.

use anyhow::{Result, bail};

/// A ready question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// Its name: the stem of its file.
    pub name: &'static str,
    /// The text of its file: a comment with the question, and one query.
    pub sql: &'static str,
}

impl Example {
    /// The question: the first line of the comment.
    pub fn question(&self) -> &'static str {
        let line = self.sql.lines().next().unwrap_or_default();
        line.trim_start_matches("--").trim()
    }
}

/// The example of this name, or an error with the names that exist.
pub fn example(name: &str) -> Result<Example> {
    match EXAMPLES.iter().find(|example| example.name == name) {
        Some(example) => Ok(*example),
        None => {
            let names: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
            bail!(
                "there is no example called {name}\n  there are: {}",
                names.join(", ")
            )
        }
    }
}

macro_rules! list {
    ($($name:ident),* $(,)?) => {
        &[$(Example {
            name: stringify!($name),
            sql: include_str!(concat!("../../../sql/examples/", stringify!($name), ".sql")),
        }),*]
    };
}

/// Every example, by name; a test holds the list against the folder.
pub const EXAMPLES: &[Example] = list![
    certificate_history,
    certificates_in_use,
    certificates_new_this_week,
    changes_by_day,
    connectors_and_roles,
    egress_addresses_in_use,
    egress_outside_ranges,
    hours_without_logs,
    mail_by_hour,
    messages_to_send_again,
    peers_of_cloud_connectors,
    refused_by_sender_domain,
    refused_by_server,
    sessions_that_failed,
    slow_replies,
    tls_in_use,
    what_broke_mail,
    what_was_read,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/examples");
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names
            .map(|name| name.strip_suffix(".sql").unwrap().to_owned())
            .collect();
        names.sort();
        let listed: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
        assert_eq!(names, listed);
    }

    #[test]
    fn every_example_asks_a_question() {
        for example in EXAMPLES {
            let question = example.question();
            assert!(
                question.ends_with('?') && question.len() < 90,
                "{}: {question}",
                example.name
            );
            assert!(!example.sql.contains("select *"), "{}", example.name);
        }
    }
}
