//! What the Tab key offers: commands of the shell, keywords, tables, columns, functions, settings.

use std::sync::Arc;

use rustyline::completion::{Completer, Pair};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Highlighter, Hinter};
use tokio::sync::OnceCell;

use super::command::COMMANDS;
use super::names::Names;
use super::statement;
use crate::output::Format;
use crate::settings;

/// Words of SQL that questions are made of.
const KEYWORDS: [&str; 62] = [
    "all",
    "and",
    "any",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "cross",
    "current_date",
    "current_timestamp",
    "desc",
    "describe",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "explain",
    "extract",
    "false",
    "filter",
    "first",
    "from",
    "full",
    "group",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "interval",
    "is",
    "join",
    "last",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "nulls",
    "offset",
    "on",
    "or",
    "order",
    "over",
    "partition",
    "qualify",
    "right",
    "select",
    "set",
    "show",
    "table",
    "then",
    "true",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
];

/// The help that the line editor asks for: completion, and when a statement is complete.
#[derive(Helper, Highlighter, Hinter)]
pub struct Assistant {
    names: Arc<OnceCell<Names>>,
}

impl Assistant {
    /// Names may come later: until then, keywords and commands are offered.
    pub fn new(names: Arc<OnceCell<Names>>) -> Self {
        Assistant { names }
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(match statement::is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = complete(&line[..at], line, self.names.get());
        let pair = |name: String| Pair {
            display: name.clone(),
            replacement: name,
        };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

/// What may follow `before` in the text `whole`: where the word begins, and the words.
fn complete(before: &str, whole: &str, names: Option<&Names>) -> (usize, Vec<String>) {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let start = before.trim_end_matches(part).len();
    let word = &before[start..];
    let tables = || names.iter().flat_map(|names| names.tables.keys().cloned());
    let functions = || {
        names
            .iter()
            .flat_map(|names| names.functions.keys().cloned())
    };
    if before.starts_with('.') {
        let Some((command, _)) = before.split_once(' ') else {
            let commands = COMMANDS.iter().map(|command| command.name.to_owned());
            return (0, matching(before, commands));
        };
        let found = match command {
            ".schema" => matching(word, tables()),
            ".functions" => matching(word, functions()),
            ".last" => {
                let formats = <Format as clap::ValueEnum>::value_variants().iter();
                matching(word, formats.map(|format| format.name()))
            }
            _ => Vec::new(),
        };
        return (start, found);
    }
    let mut words = before[..start].split_whitespace().rev();
    let last = words.next().unwrap_or_default().to_lowercase();
    if last == "set" || last == "relaydrift." {
        let from = start - if last == "relaydrift." { last.len() } else { 0 };
        let settings = settings::names().map(|name| format!("relaydrift.{name}"));
        return (from, matching(&before[from..], settings));
    }
    if ["from", "join", "describe", "table"].contains(&last.as_str()) {
        return (start, matching(word, tables()));
    }
    let mut columns = columns(whole, names);
    if columns.is_empty() && !last.is_empty() {
        // No table is named yet: any column may be meant.
        let all = names
            .iter()
            .flat_map(|names| names.tables.values().flatten());
        columns = all.map(|column| column.name.clone()).collect();
    }
    if before[..start].ends_with('.') {
        return (start, matching(word, columns.into_iter()));
    }
    let upper = word.len() > 1 && word.chars().all(|c| c.is_uppercase() || c == '_');
    let keywords = KEYWORDS.iter().map(|keyword| match upper {
        true => keyword.to_uppercase(),
        false => (*keyword).to_owned(),
    });
    let all = columns
        .into_iter()
        .chain(tables())
        .chain(keywords)
        .chain(functions().map(|name| format!("{name}(")));
    (start, matching(word, all))
}

/// The columns of the tables that the text names.
fn columns(text: &str, names: Option<&Names>) -> Vec<String> {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let tables = words.filter_map(|word| names?.table(word));
    tables
        .flat_map(|(_, columns)| columns.iter().map(|column| column.name.clone()))
        .collect()
}

/// The names that begin like this, whatever the case, each once, in their order.
fn matching(begin: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let begin = begin.to_lowercase();
    let mut found: Vec<String> = Vec::new();
    for name in names.filter(|name| name.to_lowercase().starts_with(&begin)) {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn names() -> Names {
        Names::learn().await.unwrap()
    }

    fn offered(text: &str, names: &Names) -> Vec<String> {
        complete(text, text, Some(names)).1
    }

    #[tokio::test]
    async fn what_is_offered_follows_from_what_stands_before() {
        let names = names().await;
        assert_eq!(offered("sel", &names), ["select"]);
        assert_eq!(offered("SEL", &names), ["SELECT"]);
        assert_eq!(
            offered("select * from certificate_sp", &names),
            ["certificate_spans"]
        );
        assert!(!offered("select * from s", &names).contains(&"select".to_owned()));
        assert_eq!(offered(".sch", &names), [".schema"]);
        assert_eq!(offered(".schema refu", &names), ["refusals"]);
        assert_eq!(offered(".functions smtp_e", &names), ["smtp_enhanced"]);
        assert_eq!(offered(".last mark", &names), ["markdown"]);
        assert_eq!(offered("select smtp_enh", &names), ["smtp_enhanced("]);
        assert_eq!(
            offered("set relaydrift.silence_h", &names),
            ["relaydrift.silence_hours"]
        );
        assert_eq!(offered("set rel", &names).len(), settings::names().count());
    }

    #[tokio::test]
    async fn columns_are_those_of_the_tables_that_are_named() {
        let names = names().await;
        let whole = "select thumb from certificate_spans";
        let (start, found) = complete("select thumb", whole, Some(&names));
        assert_eq!((start, found), (7, vec!["thumbprint".to_owned()]));
        let (start, found) = complete(
            "select s.thumb",
            "select s.thumb from certificate_spans s",
            Some(&names),
        );
        assert_eq!((start, found), (9, vec!["thumbprint".to_owned()]));
        let offered = offered("select thumb", &names);
        assert!(offered.contains(&"thumbprint".to_owned()), "{offered:?}");
    }

    #[test]
    fn keywords_are_there_before_the_names_are_known() {
        assert_eq!(complete("sel", "sel", None), (0, vec!["select".to_owned()]));
        assert!(KEYWORDS.is_sorted());
    }
}
