//! `Export-Csv`: flat cells, with or without a `#TYPE` line, separated by the culture's character.

use crate::Problem;
use crate::value::{Object, Value};

/// The separators that cultures have.
const SEPARATORS: [u8; 3] = *b",;\t";

/// The objects of a text: a row each.
pub(crate) fn objects(text: &str) -> Result<Vec<Object>, Problem> {
    let (before, text) = match text.strip_prefix("#TYPE") {
        Some(rest) => (1, rest.split_once('\n').map_or("", |(_, rest)| rest)),
        None => (0, text),
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator(text))
        .from_reader(text.as_bytes());
    let wrong = |source: csv::Error| {
        let line = source.position().map_or(1, csv::Position::line);
        Problem::Csv {
            line: line + before,
            source,
        }
    };
    let names = reader.headers().map_err(wrong)?.clone();
    let mut objects = Vec::new();
    for row in reader.records() {
        let row = row.map_err(wrong)?;
        let cells = names.iter().zip(&row).map(|(name, cell)| {
            let name = name.trim().to_owned();
            (name, Value::Text(cell.to_owned()))
        });
        objects.push(Object {
            text: None,
            line: row
                .position()
                .and_then(|at| u32::try_from(at.line() + before).ok()?.try_into().ok()),
            properties: cells.collect(),
        });
    }
    Ok(objects)
}

/// The names in the first line, as far as it looks like one of a CSV file.
pub(crate) fn header(text: &str) -> Vec<&str> {
    let mut lines = text.lines().filter(|line| !line.starts_with("#TYPE"));
    let line = lines.next().unwrap_or_default();
    let separator = char::from(separator(line));
    let cells = line.split(separator);
    cells.map(|cell| cell.trim().trim_matches('"')).collect()
}

/// The one that stands most often in the first line, outside quotes.
fn separator(text: &str) -> u8 {
    let line = text.lines().next().unwrap_or_default();
    let mut quoted = false;
    let mut counts = [0; SEPARATORS.len()];
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        if let Some(at) = SEPARATORS.iter().position(|one| *one == byte && !quoted) {
            counts[at] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let at = counts.iter().position(|count| *count == most);
    SEPARATORS[at.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_type_lines() {
        for text in [
            "#TYPE Selected.X\r\n\"Name\",\"Enabled\"\r\n\"a, b\",\"True\"\r\n",
            "\"Name\";\"Enabled\"\r\n\"a, b\";\"True\"\r\n",
            "Name\tEnabled\na, b\tTrue\n",
        ] {
            let found = objects(text).unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].get("name"), Some(&Value::Text("a, b".into())));
            assert_eq!(found[0].get("Enabled"), Some(&Value::Text("True".into())));
            assert_eq!(header(text), ["Name", "Enabled"]);
        }
    }

    #[test]
    fn a_short_row_is_an_error_with_its_line() {
        let error = objects("#TYPE X\nName,Enabled\na,True\nb\n").unwrap_err();
        assert!(error.to_string().contains("line 4"), "{error}");
    }
}
