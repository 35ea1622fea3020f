//! What an export says before its kind is known: objects with properties, whatever file they came in.

use std::num::NonZeroU32;

/// The value of a property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Object(Object),
    /// Text that a formatted list broke over lines, from this line on.
    Wrapped(usize),
}

/// One object of an export, or one inside another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Object {
    /// What it calls itself (`<ToString>`).
    pub(crate) text: Option<String>,
    /// Where it stands, in forms that have a line for each.
    pub(crate) line: Option<NonZeroU32>,
    pub(crate) properties: Vec<(String, Value)>,
}

impl Object {
    /// The value of a property; the case of names does not count.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let same = |(known, _): &&(String, Value)| known.eq_ignore_ascii_case(name);
        self.properties.iter().find(same).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What stands for the object where a text is wanted: an enumeration's name, a host, a path.
    fn as_text(&self) -> Option<String> {
        let certificate = |part| self.get(part).and_then(Value::as_text);
        if let (Some(issuer), Some(subject)) = (
            certificate("CertificateIssuer"),
            certificate("CertificateSubject"),
        ) {
            return Some(format!("<I>{issuer}<S>{subject}"));
        }
        if let Some(text) = self.text.as_deref().filter(|text| !is_type_name(text)) {
            return Some(text.to_owned());
        }
        // As Exchange's own types spell themselves in JSON, the most telling first.
        const TELLING: [&str; 8] = [
            "Value",
            "Address",
            "AddressSpace",
            "SmtpDomain",
            "Domain",
            "DomainName",
            "PathName",
            "Name",
        ];
        TELLING
            .iter()
            .find_map(|name| self.get(name).and_then(Value::as_text))
    }
}

impl Value {
    /// As one text; `None` where there is nothing, or more than one thing.
    pub(crate) fn as_text(&self) -> Option<String> {
        match self {
            Value::Null | Value::Bytes(_) | Value::Wrapped(_) => None,
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::Text(text) => Some(text.trim())
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            Value::List(values) => match values.as_slice() {
                [one] => one.as_text(),
                _ => None,
            },
            Value::Object(object) => object.as_text(),
        }
    }
}

/// What stands where a list or an object was, once a format with flat cells has written it.
pub(crate) fn is_type_name(text: &str) -> bool {
    const TYPES: [&str; 6] = [
        "System.Collections.",
        "System.Object[]",
        "System.String[]",
        "System.Byte[]",
        "System.Management.Automation.",
        "Microsoft.Exchange.",
    ];
    TYPES.iter().any(|start| text.trim().starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(properties: &[(&str, &str)]) -> Object {
        let properties = properties
            .iter()
            .map(|(name, value)| ((*name).into(), Value::Text((*value).into())));
        Object {
            text: None,
            line: None,
            properties: properties.collect(),
        }
    }

    #[test]
    fn objects_are_what_they_call_themselves() {
        let smart_host = object(&[("IsIPAddress", "False"), ("Domain", "mx.contoso.com")]);
        assert_eq!(smart_host.as_text().as_deref(), Some("mx.contoso.com"));
        let name = object(&[
            ("CertificateSubject", "CN=a"),
            ("CertificateIssuer", "CN=b"),
        ]);
        assert_eq!(name.as_text().as_deref(), Some("<I>CN=b<S>CN=a"));
        assert_eq!(object(&[("x", "y")]).as_text(), None);
    }

    #[test]
    fn type_names_are_no_values() {
        assert!(is_type_name("System.Collections.ArrayList"));
        assert!(is_type_name(
            "Microsoft.Exchange.Data.MultiValuedProperty`1[Microsoft.Exchange.Data.SmartHost]"
        ));
        assert!(!is_type_name("system.contoso.com"));
        assert!(!is_type_name("microsoft.com"));
    }
}
