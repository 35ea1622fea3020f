//! The report as a message: words, the picture inside, the page attached.

use askama::Template;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::MimePart;

use super::finding::Finding;
use super::model::{Connector, Report};
use super::picture::{Canvas, class};
use super::time::range;
use super::{Style, Text, chart, html, png};
use crate::Error;
use crate::escape::acts;

/// The name of the picture inside the message.
const CID: &str = "lanes@relaydrift";
/// Characters of a subject.
const SUBJECT: usize = 150;

/// Who sends it, and to whom.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// `admin@contoso.com` or `Relay <relay@contoso.com>`
    pub from: String,
    /// The same, one or more.
    pub to: Vec<String>,
}

/// Writes the message (RFC 5322), ready to be handed to any mail system.
///
/// # Errors
/// An address is none, or there is no font for the picture.
pub fn mail(report: &Report, envelope: &Envelope) -> Result<Vec<u8>, Error> {
    let from = address(&envelope.from)?;
    let to = envelope.to.iter().map(|to| address(to));
    let to = to.collect::<Result<Vec<_>, _>>()?;
    let words = MimePart::new("text/plain", plain(report));
    let body = Body::new(report).render();
    let body = body.map_err(|error| Error::Drawing(Box::new(error)))?;
    let alternative = MimePart::new(
        "multipart/alternative",
        vec![words, MimePart::new("text/html", body)],
    );
    let picture = MimePart::new("image/png", png(report)?).inline().cid(CID);
    let related = MimePart::new(
        ContentType::new("multipart/related").attribute("type", "multipart/alternative"),
        vec![alternative, picture],
    );
    let page = MimePart::new("text/html", html(report)?.into_bytes()).attachment("report.html");
    MessageBuilder::new()
        .from(from)
        .to(Address::new_list(to))
        .subject(report.verdict.text.shortened(SUBJECT))
        .header(
            "Auto-Submitted",
            mail_builder::headers::raw::Raw::new("auto-generated"),
        )
        .body(MimePart::new("multipart/mixed", vec![related, page]))
        .write_to_vec()
        .map_err(|error| Error::Drawing(Box::new(error)))
}

/// An address with or without a name; nothing that could begin another header.
fn address(text: &str) -> Result<Address<'_>, Error> {
    let wrong = || Error::Address(Text::from(text).to_string());
    let (name, address) = match text.trim().strip_suffix('>') {
        None => (None, text.trim()),
        Some(text) => {
            let (name, address) = text.rsplit_once('<').ok_or_else(wrong)?;
            let name = name.trim().trim_matches('"');
            (Some(name).filter(|name| !name.is_empty()), address)
        }
    };
    let (local, domain) = address.rsplit_once('@').ok_or_else(wrong)?;
    let forbidden = |c: char| !c.is_ascii_graphic() || "<>()[],;:\\\"@".contains(c);
    let sound = |part: &str| !part.is_empty() && !part.contains(forbidden);
    let bad_name = name.is_some_and(|name| name.chars().any(|c| acts(c) || "<>".contains(c)));
    if !sound(local) || !sound(domain) || bad_name {
        return Err(wrong());
    }
    Ok(Address::new_address(name, address))
}

/// The message for those who read no HTML.
fn plain(report: &Report) -> String {
    let style = Style {
        width: 76,
        ascii: false,
        colour: false,
    };
    let mut text = format!(
        "{}\n\n{} UTC. {}\n\n{}",
        report.verdict.text,
        range(report.from, report.to),
        report.extent,
        chart(report, style)
    );
    for connector in &report.connectors {
        if !connector.steps.is_empty() {
            text += &format!("\nWhat to do next: {}\n", connector.name);
        }
        for (at, step) in connector.steps.iter().enumerate() {
            text += &format!("\n{}. {}\n", at + 1, step.text);
            if !step.command.is_empty() {
                text += &format!("   {}\n", step.command);
            }
        }
    }
    text += "\nThe attached page has the whole report.\n";
    text
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Body<'a> {
    report: &'a Report,
    tone: &'static str,
    span: String,
    cid: &'static str,
    sections: Vec<(&'a Connector, Vec<Row>)>,
}

/// A finding in the message.
struct Row {
    number: usize,
    when: String,
    servers: String,
    title: String,
    severity: String,
    effect: String,
}

impl<'a> Body<'a> {
    fn new(report: &'a Report) -> Self {
        let canvas = Canvas::new(report);
        let connectors = report.connectors.iter().zip(&canvas.findings);
        Body {
            report,
            tone: class(report.verdict.tone),
            span: range(report.from, report.to),
            cid: CID,
            sections: connectors
                .map(|(connector, findings)| (connector, findings.iter().map(row).collect()))
                .collect(),
        }
    }
}

fn row(finding: &Finding<'_>) -> Row {
    let first = finding.first();
    Row {
        number: finding.number,
        when: range(first.at, finding.last()),
        servers: finding.servers(6),
        title: finding.title(),
        severity: finding.severity(),
        effect: finding.effect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hostile, small};
    use super::*;

    fn envelope(from: &str) -> Envelope {
        Envelope {
            from: from.into(),
            to: vec!["a@contoso.com".into(), "Büro <b@contoso.com>".into()],
        }
    }

    #[test]
    fn addresses_are_judged() {
        for right in [
            "a@contoso.com",
            "A B <a.b+c@contoso.com>",
            "\"A, B\" <a@b.c>",
            "<a@b.c>",
        ] {
            assert!(address(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "a",
            "@b.c",
            "a@",
            "a b@c.d",
            "a@b.c\r\nBcc: x@y.z",
            "A\u{7} <a@b.c>",
            "A <a@b.c",
            "a@b@c>",
            "<a@b.c>, <d@e.f>",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_message_holds_words_a_picture_and_the_page() {
        for report in [small(), hostile()] {
            let message = match mail(&report, &envelope("Relay <relay@contoso.com>")) {
                Err(Error::NoFont) => return eprintln!("skipped a_message_holds: no font here"),
                message => message.unwrap(),
            };
            let text = String::from_utf8(message).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("<relay@contoso.com>") && head.contains("<b@contoso.com>"));
            for name in [
                "From: ",
                "To: ",
                "Subject: ",
                "Date: ",
                "Message-ID: ",
                "MIME-Version: 1.0",
            ] {
                let lines = head.lines().filter(|line| line.starts_with(name)).count();
                assert_eq!(lines, 1, "{name}\n{head}");
            }
            for part in [
                "text/plain",
                "image/png",
                "Content-ID: <lanes@relaydrift>",
                "report.html",
            ] {
                assert!(body.contains(part), "{part}");
            }
            assert!(text.lines().all(|line| line.len() <= 998));
        }
    }

    #[test]
    fn the_words_stand_alone() {
        let text = plain(&small());
        for part in [
            "BREAKING",
            "AAAA",
            "1. Look at it",
            "   Get-InboundConnector",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!plain(&hostile()).chars().any(|c| acts(c) && c != '\n'));
    }
}
