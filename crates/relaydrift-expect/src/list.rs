//! `Format-List`: `Name : value` lines, objects divided by blank ones; made for eyes, so it may be cut.

use crate::Problem;
use crate::value::{Object, Value};

/// The objects of a text.
pub(crate) fn objects(text: &str) -> Result<Vec<Object>, Problem> {
    let mut objects = Vec::new();
    let mut object = Object::default();
    // Where the values of the object at hand begin: what is broken over lines goes on there.
    let mut column = 0;
    let mut last = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() {
            if !object.properties.is_empty() {
                objects.push(std::mem::take(&mut object));
            }
            column = 0;
            continue;
        }
        let indented = line.len() - line.trim_start().len();
        if column > 0 && indented >= column {
            // After the comma of a list nothing is lost; anywhere else a space may be.
            let broken = !last.ends_with(',');
            last += line.trim_start();
            if let Some((_, value)) = object.properties.last_mut() {
                *value = match value {
                    Value::Wrapped(line) => Value::Wrapped(*line),
                    _ if broken => Value::Wrapped(at),
                    _ => single(&last),
                };
            }
            continue;
        }
        let (name, text) = property(line).ok_or(Problem::Line { line: at + 1 })?;
        column = line.len() - text.len();
        last = text.to_owned();
        object.properties.push((name.to_owned(), single(text)));
    }
    if !object.properties.is_empty() {
        objects.push(object);
    }
    Ok(objects)
}

/// Name and value of a line that begins a property.
pub(crate) fn property(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(':')?;
    let name = name.trim_end();
    let word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let value = rest.strip_prefix(' ').unwrap_or(rest);
    (word && (rest.is_empty() || rest.starts_with(' '))).then_some((name, value))
}

/// A value of one line; what stands in braces is a list.
pub(crate) fn single(text: &str) -> Value {
    match text
        .trim()
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    {
        Some(list) => {
            let items = list
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Value::List(items.map(|item| Value::Text(item.to_owned())).collect())
        }
        None => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_lists_and_broken_values() {
        let text = "\r\n\r\nName    : Outbound\r\nServers : {EX01, EX02,\r\n          EX03}\r\n\
                    TlsName : <I>CN=CA, O=Trust\r\n          Inc<S>CN=mail\r\nEmpty   :\r\nPath    : C:\\Logs\r\n\r\n\
                    Name    : Second\r\n";
        let found = objects(text).unwrap();
        assert_eq!(found.len(), 2);
        let servers = ["EX01", "EX02", "EX03"].map(|name| Value::Text(name.into()));
        assert_eq!(found[0].get("Servers"), Some(&Value::List(servers.into())));
        assert_eq!(found[0].get("TlsName"), Some(&Value::Wrapped(6)));
        assert_eq!(found[0].get("Empty"), Some(&Value::Text(String::new())));
        assert_eq!(found[0].get("Path"), Some(&Value::Text("C:\\Logs".into())));
        assert_eq!(found[1].get("Name"), Some(&Value::Text("Second".into())));
    }

    #[test]
    fn other_lines_are_an_error_with_their_number() {
        let error = objects("Name : a\nwhat is this\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
