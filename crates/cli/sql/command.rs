//! The commands of the shell, which begin with a dot.

use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;
use datafusion::logical_expr::Documentation;

use super::example::{EXAMPLES, Example, example};
use super::names::{Column, Names, view};
use crate::output::Format;
use crate::page::Page;

/// A command as the help shows it.
pub struct About {
    /// What is typed.
    pub name: &'static str,
    arguments: &'static str,
    help: &'static str,
}

/// Every command.
pub const COMMANDS: [About; 7] = [
    about(
        ".tables",
        "",
        "tables and views, and what a row of a view is",
    ),
    about(".schema", "NAME", "columns of a table or view"),
    about(
        ".functions",
        "[NAME]",
        "relaydrift's functions, or those with NAME in theirs",
    ),
    about(".examples", "[NAME]", "ready questions, or run one"),
    about(
        ".last",
        "[FORMAT] [FILE]",
        "the last result again, in another format or to a file",
    ),
    about(".help", "", "this"),
    about(".quit", "", "leave, as Ctrl-D does"),
];

const fn about(name: &'static str, arguments: &'static str, help: &'static str) -> About {
    About {
        name,
        arguments,
        help,
    }
}

/// What a line asks of the shell.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `.tables`
    Tables,
    /// `.schema NAME`
    Schema(&'a str),
    /// `.functions [NAME]`
    Functions(Option<&'a str>),
    /// `.examples`
    Examples,
    /// `.examples NAME`: a query to run.
    Run(&'static str),
    /// `.last [FORMAT] [FILE]`
    Last(Option<Format>, Option<&'a Path>),
    /// `.help`
    Help,
    /// `.quit`
    Quit,
}

/// Reads a line.
pub fn parse(line: &str) -> Result<Command<'_>> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let argument = (!rest.is_empty()).then_some(rest);
    Ok(match (name, argument) {
        (".tables", None) => Command::Tables,
        (".schema", Some(name)) => Command::Schema(name),
        (".schema", None) => bail!("of which table or view? .tables lists them"),
        (".functions", name) => Command::Functions(name),
        (".examples", None) => Command::Examples,
        (".examples", Some(name)) => Command::Run(example(name)?.sql),
        (".last", rest) => last(rest.unwrap_or_default()),
        (".help" | "help", None) => Command::Help,
        (".quit" | "quit" | "exit", None) => Command::Quit,
        _ => bail!("{line} is no command: .help lists them"),
    })
}

fn last(rest: &str) -> Command<'_> {
    let (first, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match Format::from_str(first, true) {
        Ok(format) => Command::Last(Some(format), named(more.trim())),
        Err(_) => Command::Last(None, named(rest)),
    }
}

fn named(text: &str) -> Option<&Path> {
    (!text.is_empty()).then(|| Path::new(text.trim_matches('"')))
}

/// The help, for a terminal of this width.
pub fn help(width: usize) -> String {
    let mut page = Page::new(width, false);
    page.line(
        0,
        "A question in SQL ends with ; and may have several lines.",
    );
    page.gap();
    let command = |about: &About| {
        let command = format!("{} {}", about.name, about.arguments);
        vec![command, about.help.to_owned()]
    };
    page.columns_cut(2, &COMMANDS.iter().map(command).collect::<Vec<_>>());
    page.gap();
    for text in [
        "Tab completes, the up arrow brings back, Ctrl-R searches what was asked before.",
        "Ctrl-C stops a query or drops the line, Ctrl-D leaves.",
        "set relaydrift.NAME = VALUE; changes a threshold or severity for this shell, and \
         show relaydrift.NAME; shows one. Everything else only reads.",
    ] {
        page.wrapped(0, 2, text);
    }
    page.finish()
}

/// Tables, and views with what a row is.
pub fn tables(names: &Names, width: usize) -> String {
    let (views, tables): (Vec<&String>, Vec<&String>) =
        names.tables.keys().partition(|name| view(name).is_some());
    let mut page = Page::new(width, false);
    page.line(0, "Tables");
    tables.into_iter().for_each(|name| page.line(2, name));
    page.line(0, "Views");
    let row = |name: &String| {
        let about = view(name).map(|view| view.description());
        vec![
            name.clone(),
            sentence(&about.unwrap_or_default()).to_owned(),
        ]
    };
    page.columns_cut(2, &views.into_iter().map(row).collect::<Vec<_>>());
    page.finish()
}

/// The columns of a table or view.
pub fn schema(name: &str, names: &Names, width: usize) -> Result<String> {
    let Some((name, columns)) = names.table(name) else {
        let all: Vec<&str> = names.tables.keys().map(String::as_str).collect();
        bail!(
            "there is no table or view called {name}\n  there are: {}",
            all.join(", ")
        );
    };
    let mut page = Page::new(width, false);
    if let Some(view) = view(name) {
        page.wrapped(0, 0, &view.description());
        page.gap();
    }
    let row = |column: &Column| vec![column.name.clone(), column.kind.clone()];
    page.columns(2, &columns.iter().map(row).collect::<Vec<_>>());
    Ok(page.finish())
}

/// Our functions; or all whose names hold the text; or the one of that name, with all it tells.
pub fn functions(wanted: Option<&str>, names: &Names, width: usize) -> Result<String> {
    let wanted = wanted.map(str::to_lowercase);
    let mut page = Page::new(width, false);
    if let Some(name) = &wanted
        && let Some(Some(about)) = names.functions.get(name)
    {
        documentation(about, &mut page);
        return Ok(page.finish());
    }
    let ours = relaydrift_datafusion::functions::scalar_functions();
    let shown = |name: &str| match &wanted {
        Some(wanted) => name.contains(wanted.as_str()),
        None => {
            ["rehearse", "send_log"].contains(&name)
                || ours.iter().any(|function| function.name() == name)
        }
    };
    let functions = names.functions.iter().filter(|(name, _)| shown(name));
    let rows = functions.map(|(name, about)| match about {
        Some(about) => vec![
            about.syntax_example.clone(),
            sentence(&about.description).to_owned(),
        ],
        None => vec![name.clone()],
    });
    let rows: Vec<Vec<String>> = rows.collect();
    match wanted {
        Some(wanted) if rows.is_empty() => {
            bail!("no function has {wanted} in its name: .functions lists relaydrift's own")
        }
        Some(_) => page.columns_cut(2, &rows),
        None => {
            page.columns_cut(2, &rows);
            page.wrapped(
                0,
                0,
                "And those of SQL: .functions date lists all with date in their names.",
            );
        }
    }
    Ok(page.finish())
}

/// The ready questions.
pub fn examples(width: usize) -> String {
    let mut page = Page::new(width, false);
    let row = |example: &Example| vec![example.name.to_owned(), example.question().to_owned()];
    page.columns_cut(2, &EXAMPLES.iter().map(row).collect::<Vec<_>>());
    page.finish()
}

fn documentation(about: &Documentation, page: &mut Page) {
    page.line(0, &about.syntax_example);
    page.gap();
    let texts = |page: &mut Page, text: &str| {
        text.trim()
            .lines()
            .for_each(|line| page.wrapped(0, 0, line));
    };
    texts(page, &about.description);
    for (name, told) in about.arguments.iter().flatten() {
        page.wrapped(2, 2, &format!("{name}: {told}"));
    }
    if let Some(example) = &about.sql_example {
        page.gap();
        // Those of SQL come as code in Markdown.
        let code = example.lines().filter(|line| !line.starts_with("```"));
        code.for_each(|line| page.line(0, line));
    }
}

/// The first sentence, which tells the most.
fn sentence(text: &str) -> &str {
    let text = text.lines().next().unwrap_or_default();
    text.split_once(". ")
        .map_or(text, |(first, _)| first)
        .trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_arguments() {
        assert_eq!(parse(".tables").unwrap(), Command::Tables);
        assert_eq!(
            parse(" .schema  drift ;").unwrap(),
            Command::Schema("drift")
        );
        assert_eq!(parse("exit;").unwrap(), Command::Quit);
        assert_eq!(parse(".functions").unwrap(), Command::Functions(None));
        let file = |name| Some(Path::new(name));
        assert_eq!(parse(".last").unwrap(), Command::Last(None, None));
        assert_eq!(
            parse(".last CSV").unwrap(),
            Command::Last(Some(Format::Csv), None)
        );
        assert_eq!(
            parse(".last my file.md").unwrap(),
            Command::Last(None, file("my file.md"))
        );
        assert_eq!(
            parse(".last json \"a b.txt\"").unwrap(),
            Command::Last(Some(Format::Json), file("a b.txt"))
        );
        for wrong in [".nothing", ".tables x", ".schema", ".examples none", "."] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_help_names_every_command() {
        assert!(
            COMMANDS
                .iter()
                .all(|command| help(80).contains(command.name))
        );
    }

    #[tokio::test]
    async fn everything_that_has_a_name_can_be_asked_about() {
        let names = Names::learn().await.unwrap();
        for name in names.tables.keys() {
            assert!(tables(&names, 80).contains(name.as_str()));
            assert!(
                schema(name, &names, 80).unwrap().lines().count() > 2,
                "{name}"
            );
        }
        assert!(schema("DRIFT", &names, 80).unwrap().contains("found_at"));
        let unknown = schema("drfit", &names, 80).unwrap_err().to_string();
        assert!(
            unknown.contains("drift") && unknown.contains("sessions"),
            "{unknown}"
        );
        let ours = functions(None, &names, 80).unwrap();
        assert!(
            ours.contains("dn_attribute(") && ours.contains("send_log") && !ours.contains("abs(")
        );
        assert!(
            functions(Some("ip_in"), &names, 80)
                .unwrap()
                .contains("203.0.113")
        );
        assert!(
            functions(Some("date"), &names, 80)
                .unwrap()
                .contains("date_trunc")
        );
        assert!(functions(Some("no such"), &names, 80).is_err());
    }
}
