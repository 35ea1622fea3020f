//! Properties of an exported object as what they should be: texts, lists, truth values, times.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relaydrift_parse::time;

use crate::value::{Object, Value, is_type_name};
use crate::{Kind, Problem, Wrong, list, network};

/// One object while it is read.
pub(crate) struct Properties<'a> {
    pub(crate) object: &'a Object,
    /// Which of the file, from 1.
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    /// What could not be used, for a person.
    pub(crate) notes: &'a mut Vec<String>,
}

impl Properties<'_> {
    /// An error about a property.
    pub(crate) fn wrong(&self, property: &'static str, wrong: Wrong) -> Problem {
        Problem::Property {
            object: self.number,
            line: self.object.line,
            name: self.name(),
            property,
            wrong,
            kind: self.kind,
        }
    }

    fn name(&self) -> Option<String> {
        [
            "Name",
            "DomainName",
            "ConnectorId",
            "Id",
            "Thumbprint",
            "Identity",
        ]
        .iter()
        .find_map(|name| self.object.get(name)?.as_text())
    }

    /// The property must be there, with or without a value.
    pub(crate) fn require(&self, property: &'static str) -> Result<(), Problem> {
        match self.object.has(property) {
            true => Ok(()),
            false => Err(self.wrong(property, Wrong::Missing)),
        }
    }

    /// A text; `None` where it is empty or not there.
    pub(crate) fn text(&self, property: &'static str) -> Result<Option<String>, Problem> {
        let Some(value) = self.object.get(property) else {
            return Ok(None);
        };
        self.one(property, value)
    }

    /// A text that must be there.
    pub(crate) fn some_text(&self, property: &'static str) -> Result<String, Problem> {
        self.text(property)?
            .ok_or_else(|| self.wrong(property, Wrong::Missing))
    }

    fn one(&self, property: &'static str, value: &Value) -> Result<Option<String>, Problem> {
        let other = |wanted| {
            let value = "a list or an object".to_owned();
            self.wrong(property, Wrong::Value { value, wanted })
        };
        match value {
            Value::Null => Ok(None),
            Value::Wrapped(line) => Err(self.wrong(property, Wrong::Wrapped { line: *line })),
            Value::Bytes(_) => Err(other("a text")),
            Value::List(values) if values.is_empty() => Ok(None),
            Value::Text(text) if is_type_name(text) => {
                let value = text.trim().to_owned();
                Err(self.wrong(property, Wrong::Flattened { value }))
            }
            Value::Text(_) | Value::Bool(_) | Value::Int(_) => Ok(value.as_text()),
            Value::List(_) | Value::Object(_) => match value.as_text() {
                Some(text) => Ok(Some(text)),
                None => Err(other("one value")),
            },
        }
    }

    /// A list; `None` where the export does not have the property. A text is cut at commas, spaces and
    /// semicolons (but a `;1` at its end is a cost), as lists are joined where a format has no lists.
    pub(crate) fn texts(&self, property: &'static str) -> Result<Option<Vec<String>>, Problem> {
        let Some(value) = self.object.get(property) else {
            return Ok(None);
        };
        let mut texts = Vec::new();
        let braced = match value {
            Value::Text(text) if text.trim().starts_with('{') => Some(list::single(text)),
            _ => None,
        };
        match braced.as_ref().unwrap_or(value) {
            Value::List(values) => {
                for value in values {
                    let text = self.one(property, value)?;
                    let text = text.unwrap_or_default();
                    let end = ["...", "\u{2026}"].iter().any(|dots| text.ends_with(dots));
                    if end {
                        let value = texts.pop().unwrap_or(text);
                        return Err(self.wrong(property, Wrong::Truncated { value }));
                    }
                    texts.extend(Some(text).filter(|text| !text.is_empty()));
                }
            }
            value => {
                let text = self.one(property, value)?.unwrap_or_default();
                let parts = text.split(|c: char| c == ',' || c == ';' || c.is_whitespace());
                let cost = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
                texts.extend(parts.filter(|part| !cost(part)).map(str::to_owned));
            }
        }
        Ok(Some(texts))
    }

    /// A list that must be there.
    pub(crate) fn some_texts(&self, property: &'static str) -> Result<Vec<String>, Problem> {
        self.texts(property)?
            .ok_or_else(|| self.wrong(property, Wrong::Missing))
    }

    /// A list of addresses, networks and ranges that must be there: a verdict with one left out would be wrong.
    pub(crate) fn addresses(&self, property: &'static str) -> Result<Vec<String>, Problem> {
        let wrong = |value: String| {
            let wanted = "addresses, networks (192.0.2.0/24) or ranges";
            self.wrong(property, Wrong::Value { value, wanted })
        };
        let texts = self.some_texts(property)?;
        if let Some(value @ (Value::Int(_) | Value::Bool(_))) = self.object.get(property) {
            return Err(wrong(value.as_text().unwrap_or_default()));
        }
        match texts.iter().find(|text| network(text).is_none()) {
            Some(text) => Err(wrong(text.clone())),
            None => Ok(texts),
        }
    }

    /// A list of domains without what Exchange stores with them: `contoso.com` for `smtp:contoso.com;1`.
    pub(crate) fn domains(&self, property: &'static str) -> Result<Option<Vec<String>>, Problem> {
        let texts = self.texts(property)?;
        Ok(texts.map(|texts| texts.iter().map(|text| domain(text)).collect()))
    }

    /// A truth value; `None` where it is empty or not there.
    pub(crate) fn boolean(&self, property: &'static str) -> Result<Option<bool>, Problem> {
        let Some(text) = self.text(property)? else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().trim_start_matches('$') {
            "true" | "1" => Ok(Some(true)),
            "false" | "0" => Ok(Some(false)),
            _ => {
                let wanted = "True or False";
                Err(self.wrong(
                    property,
                    Wrong::Value {
                        value: text,
                        wanted,
                    },
                ))
            }
        }
    }

    /// The name of an enumeration's value, out of its name or number.
    pub(crate) fn enumeration(
        &self,
        property: &'static str,
        names: &[(i64, &str)],
    ) -> Result<Option<String>, Problem> {
        let Some(text) = self.text(property)? else {
            return Ok(None);
        };
        let Ok(number) = text.parse::<i64>() else {
            return Ok(Some(text));
        };
        match names.iter().find(|(known, _)| *known == number) {
            Some((_, name)) => Ok(Some((*name).to_owned())),
            None => {
                let wanted = "a number that this property can have";
                Err(self.wrong(
                    property,
                    Wrong::Value {
                        value: text,
                        wanted,
                    },
                ))
            }
        }
    }

    /// Microseconds since 1970. Dates as a culture writes them say nothing for sure (5/10 is in May or in
    /// October): they are left out, with a note.
    pub(crate) fn time(&mut self, property: &'static str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(property)? else {
            return Ok(None);
        };
        let micros = json_date(&text)
            .or_else(|| time::parse(text.as_bytes()))
            .or_else(|| time::parse(format!("{}Z", text.replace(' ', "T")).as_bytes()));
        if micros.is_none() {
            self.notes.push(format!(
                "object {}: {property} '{text}' is a date of a culture unknown: left out",
                self.number
            ));
        }
        Ok(micros)
    }

    /// When the object was changed last.
    pub(crate) fn changed(&mut self) -> Result<Option<i64>, Problem> {
        self.either("WhenChangedUTC", "WhenChanged")
    }

    /// When the object was made.
    pub(crate) fn created(&mut self) -> Result<Option<i64>, Problem> {
        self.either("WhenCreatedUTC", "WhenCreated")
    }

    fn either(
        &mut self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<i64>, Problem> {
        match self.object.has(first) {
            true => self.time(first),
            false => self.time(second),
        }
    }

    /// The tenant of an object of Exchange Online, by the place where it is kept; none on premises.
    pub(crate) fn tenant(&self) -> Option<String> {
        let text = |property| self.object.get(property)?.as_text();
        let tenant = text("OrganizationId")
            .and_then(|id| tenant_of_id(&id))
            .or_else(|| text("DistinguishedName").and_then(|name| tenant_of_name(&name)));
        tenant.map(|tenant| tenant.to_ascii_lowercase())
    }

    /// Bytes: base64, or a list of numbers.
    pub(crate) fn bytes(&self, property: &'static str) -> Result<Option<Vec<u8>>, Problem> {
        let not = |value: String| {
            let wanted = "bytes (base64, or numbers from 0 to 255)";
            self.wrong(property, Wrong::Value { value, wanted })
        };
        match self.object.get(property) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bytes(bytes)) => Ok(Some(bytes.clone())),
            Some(Value::List(values)) => {
                let byte = |value: &Value| match value {
                    Value::Int(number) => u8::try_from(*number).ok(),
                    _ => None,
                };
                let bytes: Option<Vec<u8>> = values.iter().map(byte).collect();
                Ok(Some(bytes.ok_or_else(|| not("a list".into()))?))
            }
            Some(value) => {
                let Some(text) = self.one(property, value)? else {
                    return Ok(None);
                };
                let digits: String = text.split_whitespace().collect();
                let shown = text.chars().take(20).collect();
                Ok(Some(STANDARD.decode(digits).map_err(|_| not(shown))?))
            }
        }
    }
}

/// `contoso.com` out of `smtp:contoso.com;1`; other address types stay as they are.
fn domain(text: &str) -> String {
    let text = text.trim();
    let (text, cost) = text.rsplit_once(';').unwrap_or((text, ""));
    let text = match cost.trim().bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.to_owned(),
        false => format!("{text};{cost}"),
    };
    let smtp = text
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("smtp:"));
    text[if smtp { 5 } else { 0 }..].to_owned()
}

/// `/Date(1696848000000)/`, with or without an offset that only says how to show it.
pub(crate) fn json_date(text: &str) -> Option<i64> {
    let inside = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    // A sign at the beginning is the number's own.
    let end = inside.get(1..)?.find(['+', '-']);
    let end = end.map_or(inside.len(), |at| at + 1);
    inside.get(..end)?.parse::<i64>().ok()?.checked_mul(1000)
}

/// `forest/Microsoft Exchange Hosted Organizations/contoso.onmicrosoft.com - forest/ConfigurationUnits/…`
fn tenant_of_id(id: &str) -> Option<String> {
    let (_, rest) = id.split_once("/Microsoft Exchange Hosted Organizations/")?;
    let tenant = rest.split(['/', ' ']).next()?;
    (!tenant.is_empty()).then(|| tenant.to_owned())
}

/// `…,CN=Configuration,CN=contoso.onmicrosoft.com,CN=ConfigurationUnits,DC=…`
fn tenant_of_name(name: &str) -> Option<String> {
    let (before, _) = name.split_once(",CN=ConfigurationUnits,")?;
    let (_, tenant) = before.rsplit_once(",CN=Configuration,CN=")?;
    (!tenant.is_empty()).then(|| tenant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_told_by_where_they_are_kept() {
        let id = "EURPR05A010.PROD.OUTLOOK.COM/Microsoft Exchange Hosted Organizations/contoso.onmicrosoft.com - \
                  EURPR05A010.PROD.OUTLOOK.COM/ConfigurationUnits/contoso.onmicrosoft.com/Configuration";
        let name = "CN=Inbound,CN=Transport Settings,CN=Configuration,CN=contoso.onmicrosoft.com,\
                    CN=ConfigurationUnits,DC=EURPR05A010,DC=PROD,DC=OUTLOOK,DC=COM";
        let contoso = Some("contoso.onmicrosoft.com".to_owned());
        assert_eq!(tenant_of_id(id), contoso);
        assert_eq!(tenant_of_name(name), contoso);
        let on_premises = "CN=Outbound,CN=Connections,CN=Contoso,CN=Microsoft Exchange,CN=Services,\
                           CN=Configuration,DC=corp,DC=contoso,DC=com";
        assert_eq!(
            (tenant_of_id(""), tenant_of_name(on_premises)),
            (None, None)
        );
    }
    use proptest::prelude::*;

    #[test]
    fn domains_are_bare() {
        for (text, bare) in [
            ("smtp:*;1", "*"),
            ("SMTP:contoso.com;10", "contoso.com"),
            ("contoso.com", "contoso.com"),
            ("X400:c=US;a= ;p=x", "X400:c=US;a= ;p=x"),
        ] {
            assert_eq!(domain(text), bare);
        }
    }

    #[test]
    fn dates_of_json() {
        assert_eq!(
            json_date("/Date(1696848000000)/"),
            Some(1_696_848_000_000_000)
        );
        assert_eq!(
            json_date("/Date(1696848000000+0200)/"),
            Some(1_696_848_000_000_000)
        );
        assert_eq!(
            json_date("/Date(-62135596800000)/"),
            Some(-62_135_596_800_000_000)
        );
        assert_eq!(json_date("/Date()/"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,40}") {
            let _ = domain(&text);
            let _ = json_date(&text);
            let _ = json_date(&format!("/Date({text})/"));
        }
    }
}
