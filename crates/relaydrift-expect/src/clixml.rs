//! `Export-Clixml`: PowerShell's own XML, in which objects keep their types and lists.
//!
//! An `Obj` has its text in `ToString`, properties in `Props` and `MS`, and a list in `LST`, `IE`,
//! `STK` or `QUE`; `Ref` points back to an `Obj` by number. Line ends and other characters that XML
//! would change are written `_x000D_` (MS-PSRP 2.2.5).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::Problem;
use crate::value::{Object, Value};

/// PowerShell cuts off long before.
const DEPTH: usize = 64;

/// Values that references may repeat, against files made to grow.
const REPEATED: usize = 100_000;

/// The objects of a text.
pub(crate) fn objects(text: &str) -> Result<Vec<Object>, Problem> {
    let root = read(text)?;
    let mut seen = Seen::default();
    let mut objects = Vec::new();
    for element in &root.children {
        collect(value(element, &mut seen)?, &mut objects)?;
    }
    Ok(objects)
}

fn collect(value: Value, objects: &mut Vec<Object>) -> Result<(), Problem> {
    match value {
        Value::Null => Ok(()),
        Value::List(values) => values
            .into_iter()
            .try_for_each(|value| collect(value, objects)),
        Value::Object(object) => {
            objects.push(object);
            Ok(())
        }
        _ => Err(Problem::NoObject),
    }
}

/// An element as it stands in the file.
#[derive(Default)]
struct Element {
    tag: String,
    name: Option<String>,
    number: Option<String>,
    text: String,
    line: usize,
    children: Vec<Element>,
}

impl Element {
    fn child(&self, tag: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.tag == tag)
    }
}

/// The root element, `Objs`.
fn read(text: &str) -> Result<Element, Problem> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event();
        let line = || {
            text.as_bytes()[..at.min(text.len())]
                .split(|b| *b == b'\n')
                .count()
        };
        let wrong = |source| Problem::Xml {
            line: line(),
            source,
        };
        let closed = match event.map_err(wrong)? {
            Event::Start(start) => {
                if open.len() >= DEPTH {
                    return Err(Problem::Clixml {
                        line: line(),
                        what: "elements nested deeper than PowerShell writes them",
                    });
                }
                open.push(element(&start, line(), &reader).map_err(wrong)?);
                None
            }
            Event::Empty(start) => Some(element(&start, line(), &reader).map_err(wrong)?),
            Event::End(_) => open.pop(),
            Event::Text(part) => {
                if let Some(element) = open.last_mut() {
                    element.text += &part.decode().map_err(|error| wrong(error.into()))?;
                }
                None
            }
            Event::CData(part) => {
                if let Some(element) = open.last_mut() {
                    element.text += &part.decode().map_err(|error| wrong(error.into()))?;
                }
                None
            }
            Event::GeneralRef(entity) => {
                let name = entity.decode().map_err(|error| wrong(error.into()))?;
                let resolved = match entity.resolve_char_ref().map_err(wrong)? {
                    Some(character) => Some(character.to_string()),
                    None => resolve_predefined_entity(&name).map(str::to_owned),
                };
                let Some(resolved) = resolved else {
                    return Err(Problem::Clixml {
                        line: line(),
                        what: "an entity that PowerShell does not write",
                    });
                };
                if let Some(element) = open.last_mut() {
                    element.text += &resolved;
                }
                None
            }
            Event::Eof => {
                return Err(Problem::Clixml {
                    line: line(),
                    what: "it ends in the middle",
                });
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => None,
        };
        if let Some(closed) = closed {
            match open.last_mut() {
                Some(parent) => parent.children.push(closed),
                None if closed.tag == "Objs" => return Ok(closed),
                None => return Err(Problem::Unrecognised),
            }
        }
    }
}

fn element(
    start: &BytesStart<'_>,
    line: usize,
    reader: &Reader<&[u8]>,
) -> Result<Element, quick_xml::Error> {
    let attribute = |name: &str| -> Result<Option<String>, quick_xml::Error> {
        let found = start.try_get_attribute(name)?;
        let value = found.map(|found| found.decode_and_unescape_value(reader.decoder()));
        Ok(value.transpose()?.map(|value| unescaped(&value)))
    };
    Ok(Element {
        tag: String::from_utf8_lossy(start.local_name().as_ref()).into_owned(),
        name: attribute("N")?,
        number: attribute("RefId")?,
        line,
        ..Element::default()
    })
}

/// Objects by their number, for references back to them.
#[derive(Default)]
struct Seen {
    objects: HashMap<String, Value>,
    repeated: usize,
}

fn value(element: &Element, seen: &mut Seen) -> Result<Value, Problem> {
    let text = || unescaped(&element.text);
    let wrong = |what| Problem::Clixml {
        line: element.line,
        what,
    };
    Ok(match element.tag.as_str() {
        "Nil" | "SS" => Value::Null,
        "B" => match element.text.trim() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(wrong("a truth value that is neither true nor false")),
        },
        "I16" | "I32" | "I64" | "By" | "SB" | "U16" | "U32" | "U64" => {
            match element.text.trim().parse() {
                Ok(number) => Value::Int(number),
                Err(_) => Value::Text(text()),
            }
        }
        "BA" => {
            let digits: String = element.text.split_whitespace().collect();
            let bytes = STANDARD.decode(digits);
            Value::Bytes(bytes.map_err(|_| wrong("bytes that are not base64"))?)
        }
        "Obj" => object(element, seen)?,
        "Ref" => {
            let known = element
                .number
                .as_ref()
                .and_then(|number| seen.objects.get(number));
            let known = known
                .cloned()
                .ok_or_else(|| wrong("a reference to an object that is not there"))?;
            seen.repeated += size(&known);
            if seen.repeated > REPEATED {
                return Err(wrong("references that repeat more than any export does"));
            }
            known
        }
        _ => Value::Text(text()),
    })
}

fn object(element: &Element, seen: &mut Seen) -> Result<Value, Problem> {
    let list = ["LST", "IE", "STK", "QUE"]
        .iter()
        .find_map(|tag| element.child(tag));
    let value = match list {
        Some(list) => {
            let items = list.children.iter().map(|item| value(item, seen));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        None => Value::Object(properties(element, seen)?),
    };
    if let Some(number) = &element.number {
        seen.objects.insert(number.clone(), value.clone());
    }
    Ok(value)
}

fn properties(element: &Element, seen: &mut Seen) -> Result<Object, Problem> {
    let text = element.child("ToString").map(|text| unescaped(&text.text));
    let mut properties = Vec::new();
    for child in &element.children {
        match child.tag.as_str() {
            "Props" | "MS" => {
                for property in &child.children {
                    let name = property.name.clone().unwrap_or_default();
                    properties.push((name, value(property, seen)?));
                }
            }
            "DCT" => {
                for entry in child.children.iter().filter(|entry| entry.tag == "En") {
                    let named = |wanted: &str| {
                        let is = |part: &&Element| part.name.as_deref() == Some(wanted);
                        entry.children.iter().find(is)
                    };
                    if let (Some(key), Some(found)) = (named("Key"), named("Value")) {
                        properties.push((unescaped(&key.text), value(found, seen)?));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(Object {
        text,
        line: None,
        properties,
    })
}

fn size(value: &Value) -> usize {
    match value {
        Value::List(values) => 1 + values.iter().map(size).sum::<usize>(),
        Value::Object(object) => {
            let properties = object.properties.iter().map(|(_, value)| size(value));
            1 + properties.sum::<usize>()
        }
        _ => 1,
    }
}

/// `_x000D_` is the character 000D.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        plain.push_str(&rest[..at]);
        let code = rest
            .get(at + 2..at + 7)
            .and_then(|code| code.strip_suffix('_'));
        let character = code
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        let taken = match character {
            Some(character) => {
                plain.push(character);
                7
            }
            None => {
                plain.push_str("_x");
                2
            }
        };
        rest = &rest[at + taken..];
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(body: &str) -> Result<Vec<Object>, Problem> {
        objects(&format!(
            "<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">{body}</Objs>"
        ))
    }

    #[test]
    fn escapes_are_characters() {
        assert_eq!(unescaped("a_x000D__x000A_b"), "a\r\nb");
        assert_eq!(unescaped("_xyz_ _x00 _x005F_x"), "_xyz_ _x00 _x");
    }

    #[test]
    fn enumerations_lists_nothing_and_references() {
        let found = of(
            "<Obj RefId=\"0\"><ToString>conn</ToString><Props>\
             <Obj N=\"Level\" RefId=\"1\"><ToString>Verbose</ToString><I32>1</I32></Obj>\
             <Obj N=\"Hosts\" RefId=\"2\"><LST><Obj RefId=\"3\"><ToString>mx.example</ToString></Obj><S>b</S></LST></Obj>\
             <Nil N=\"None\" /><B N=\"On\">true</B><Ref N=\"Same\" RefId=\"2\" />\
             <S N=\"Cert\">&lt;I&gt;CN=a &amp; b&lt;S&gt;CN=&#99;</S></Props></Obj>",
        )
        .unwrap();
        let object = &found[0];
        assert_eq!(
            object.get("Level").unwrap().as_text().as_deref(),
            Some("Verbose")
        );
        assert_eq!(object.get("None"), Some(&Value::Null));
        assert_eq!(object.get("On"), Some(&Value::Bool(true)));
        assert_eq!(object.get("Same"), object.get("Hosts"));
        assert_eq!(
            object.get("Cert").unwrap().as_text().as_deref(),
            Some("<I>CN=a & b<S>CN=c")
        );
    }

    #[test]
    fn what_powershell_does_not_write_is_refused() {
        for (body, wanted) in [
            (
                "<Obj RefId=\"0\"><Props><B N=\"On\">maybe</B></Props></Obj>",
                "neither",
            ),
            (
                "<Obj RefId=\"0\"><Props><BA N=\"RawData\">!!</BA></Props></Obj>",
                "base64",
            ),
            ("<Ref RefId=\"9\" />", "reference"),
            ("<S>&bomb;</S>", "entity"),
        ] {
            let error = of(body).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        let deep = "<Obj>".repeat(100);
        assert!(of(&deep).unwrap_err().to_string().contains("deeper"));
        let cut = "<Objs><Obj RefId=\"0\"><Props>";
        assert!(objects(cut).unwrap_err().to_string().contains("ends"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(body in "[<>/&;_xObjLSTPropsN=\"0-9 a-f]{0,120}") {
            let _ = of(&body);
            let _ = unescaped(&body);
        }
    }
}
