//! `ConvertTo-Json`: one object, an array of them, or several after each other.

use serde_json::Value as Json;

use crate::Problem;
use crate::value::{Object, Value};

/// The objects of a text.
pub(crate) fn objects(text: &str) -> Result<Vec<Object>, Problem> {
    let mut objects = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Json>() {
        collect(value.map_err(Problem::Json)?, &mut objects)?;
    }
    Ok(objects)
}

fn collect(value: Json, objects: &mut Vec<Object>) -> Result<(), Problem> {
    match value {
        Json::Null => Ok(()),
        Json::Array(values) => values
            .into_iter()
            .try_for_each(|value| collect(value, objects)),
        Json::Object(mut properties) => {
            // Windows PowerShell wraps an array that it took for an object.
            if properties.contains_key("Count")
                && properties.get("value").is_some_and(Json::is_array)
            {
                let values = properties.remove("value").unwrap_or_default();
                return collect(values, objects);
            }
            objects.push(object(properties));
            Ok(())
        }
        Json::Bool(_) | Json::Number(_) | Json::String(_) => Err(Problem::NoObject),
    }
}

fn object(properties: serde_json::Map<String, Json>) -> Object {
    let properties = properties
        .into_iter()
        .map(|(name, json)| (name, value(json)));
    Object {
        text: None,
        line: None,
        properties: properties.collect(),
    }
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Text(number.to_string()),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(values) => Value::List(values.into_iter().map(value).collect()),
        Json::Object(mut properties) => {
            // An enumeration, a date or an array that Windows PowerShell dressed as an object.
            let lone = ["Count", "Value", "DateTime", "DisplayHint"]
                .iter()
                .any(|name| properties.contains_key(*name));
            if lone && properties.contains_key("value") {
                let inner = match properties.remove("Value") {
                    Some(name @ Json::String(_)) => name,
                    _ => properties.remove("value").unwrap_or_default(),
                };
                return value(inner);
            }
            Value::Object(object(properties))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str, property: &str) -> Value {
        objects(text).unwrap()[0].get(property).unwrap().clone()
    }

    #[test]
    fn one_many_and_none() {
        assert_eq!(objects(r#"{"Name":"a"}"#).unwrap().len(), 1);
        assert_eq!(objects(r#"[{"Name":"a"},{"Name":"b"}]"#).unwrap().len(), 2);
        assert_eq!(
            objects(r#"{"value":[{"Name":"a"},{"Name":"b"}],"Count":2}"#)
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            objects("{\"Name\":\"a\"}\r\n{\"Name\":\"b\"}")
                .unwrap()
                .len(),
            2
        );
        assert_eq!(objects("[]").unwrap().len(), 0);
        assert!(matches!(objects("[1]"), Err(Problem::NoObject)));
        assert!(matches!(objects("[{\"a\":"), Err(Problem::Json(_))));
    }

    #[test]
    fn dressed_values_are_undressed() {
        let number = r#"{"T":{"value":1,"Value":"OnPremises"}}"#;
        assert_eq!(first(number, "t"), Value::Text("OnPremises".into()));
        let date = r#"{"T":{"value":"\/Date(1696848000000)\/","DateTime":"Monday"}}"#;
        assert_eq!(
            first(date, "T"),
            Value::Text("/Date(1696848000000)/".into())
        );
        let list = r#"{"T":{"value":["a"],"Count":1}}"#;
        assert_eq!(first(list, "T"), Value::List(vec![Value::Text("a".into())]));
    }
}
