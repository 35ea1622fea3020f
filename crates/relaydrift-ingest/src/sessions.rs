//! Rows of `sessions`.

use std::sync::Arc;

use relaydrift_parse::certificate::{self, Certificate};
use relaydrift_parse::session::Marks;
use relaydrift_parse::{Session, Text, endpoint, peer, reply, text::lossless};

use crate::columns::{
    Bool, Int32, Int64, Texts, Time, Utf8, append, append_list, append_text, columns,
};
use crate::emit::{Shown, peer_kind};
use crate::observe::Answers;
use crate::{Place, Table};

columns! {
    /// Builders of `sessions`.
    SessionColumns for Table::Sessions, {
        start_time: Time, end_time: Time, organization: Utf8, server: Utf8, service: Utf8,
        connector_id: Utf8, session_id: Utf8, rows: Int64, local_ip: Utf8, local_port: Int32,
        remote_ip: Utf8, remote_port: Int32, peer_kind: Utf8, peer_cloud: Utf8,
        banner_host: Utf8, ehlo_name: Utf8, egress_ip: Utf8, starttls_offered: Bool,
        starttls_sent: Bool, starttls_code: Int32, tls_protocol: Utf8, tls_cipher: Utf8,
        tls_error: Utf8, chain_status: Utf8, auth_error: Utf8, secure_domain_error: Utf8,
        clock_skew_ms: Int64,
        sent_thumbprint: Utf8, sent_subject: Utf8, sent_issuer: Utf8, sent_serial: Utf8,
        sent_not_before: Time, sent_not_after: Time, sent_names: Texts,
        received_thumbprint: Utf8, received_subject: Utf8, received_issuer: Utf8,
        received_serial: Utf8, received_not_before: Time, received_not_after: Time,
        received_names: Texts,
        proxied_session_id: Utf8, inbound_session_id: Utf8, messages: Int64, recipients: Int64,
        accepted: Int64, refused: Int64, refusal_code: Int32, refusal_enhanced: Utf8,
        refusal_attr: Utf8, refusal_text: Utf8, outcome: Utf8, disconnect_reason: Utf8,
        sequence_gaps: Int64, flags: Texts, open: Bool, source_id: Utf8, line: Int64,
    }
}

/// Appends `address:port` to a pair of columns.
pub(crate) fn append_endpoint(ip: &mut Utf8, port: &mut Int32, text: &[u8]) {
    let endpoint = endpoint::parse(text);
    append(ip, endpoint.map_or(b"", |endpoint| endpoint.ip));
    port.append_option(endpoint.and_then(|endpoint| endpoint.port).map(i32::from));
}

macro_rules! append_certificate {
    ($columns:expr, $certificate:expr, $thumbprint:ident, $subject:ident, $issuer:ident,
     $serial:ident, $not_before:ident, $not_after:ident, $names:ident) => {{
        let certificate: Option<&Arc<Certificate>> = $certificate;
        $columns
            .$thumbprint
            .append_option(certificate.and_then(|c| c.thumbprint.as_ref()));
        $columns
            .$subject
            .append_option(certificate.and_then(|c| c.subject.as_ref()));
        $columns
            .$issuer
            .append_option(certificate.and_then(|c| c.issuer.as_ref()));
        $columns
            .$serial
            .append_option(certificate.and_then(|c| c.serial.as_ref()));
        $columns
            .$not_before
            .append_option(certificate.and_then(|c| c.not_before));
        $columns
            .$not_after
            .append_option(certificate.and_then(|c| c.not_after));
        append_list(
            &mut $columns.$names,
            certificate.map_or(&[], |c| c.names.as_slice()),
        );
    }};
}

impl SessionColumns {
    pub(crate) fn push<'i>(
        &mut self,
        session: &Session<'_>,
        shown: &[Shown],
        place: &Place,
        source_id: impl Fn(u32) -> &'i str,
        open: bool,
    ) {
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let first = &session.segments[0];
        let last = session.segment();
        let last_shown = &shown[shown.len() - 1];
        self.start_time.append_value(session.start);
        self.end_time.append_value(session.end);
        self.organization.append_value(&place.organization);
        self.server.append_value(&place.server);
        self.service.append_value(&place.service);
        append_text(&mut self.connector_id, first.connector);
        append(&mut self.session_id, session.id);
        self.rows.append_value(int(session.rows));
        append_endpoint(&mut self.local_ip, &mut self.local_port, session.local);
        append_endpoint(&mut self.remote_ip, &mut self.remote_port, session.remote);
        self.peer_kind.append_option(peer_kind(session));
        self.peer_cloud
            .append_option(session.cloud.map(|cloud| cloud.as_str()));
        append(
            &mut self.banner_host,
            peer::banner_host(session.banner.bytes).unwrap_or_default(),
        );
        append(&mut self.ehlo_name, session.ehlo_name);
        self.egress_ip.append_option(last_shown.egress.as_ref());
        self.starttls_offered
            .append_value(session.marks.starttls_offered);
        self.starttls_sent.append_value(session.marks.starttls_sent);
        self.starttls_code
            .append_option(session.starttls_code.map(i32::from));
        append(
            &mut self.tls_protocol,
            last.tls.map_or(b"", |tls| tls.protocol),
        );
        append(&mut self.tls_cipher, last.tls.map_or(b"", |tls| tls.cipher));
        append(&mut self.tls_error, session.tls_error);
        append(&mut self.chain_status, session.chain_status);
        append_text(&mut self.auth_error, session.auth_error);
        append_text(&mut self.secure_domain_error, session.secure_domain_error);
        self.clock_skew_ms.append_option(session.clock_skew_ms());
        append_certificate!(
            self,
            last_shown.sent.as_ref(),
            sent_thumbprint,
            sent_subject,
            sent_issuer,
            sent_serial,
            sent_not_before,
            sent_not_after,
            sent_names
        );
        append_certificate!(
            self,
            last_shown.received.as_ref(),
            received_thumbprint,
            received_subject,
            received_issuer,
            received_serial,
            received_not_before,
            received_not_after,
            received_names
        );
        append(&mut self.proxied_session_id, session.proxied_session);
        append(&mut self.inbound_session_id, session.inbound_session);
        self.push_mail(session, shown);
        append(
            &mut self.disconnect_reason,
            session.disconnect.unwrap_or_default(),
        );
        self.sequence_gaps.append_value(int(session.gaps));
        append_list(&mut self.flags, &flags(session));
        self.open.append_value(open);
        self.source_id
            .append_value(source_id(session.origin.source));
        self.line.append_value(int(session.origin.line));
        self.end_row();
    }

    fn push_mail(&mut self, session: &Session<'_>, shown: &[Shown]) {
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let mut answers = Answers::default();
        shown.iter().for_each(|shown| answers.add(&shown.answers));
        let mail = &session.mail;
        self.messages
            .append_value(int(mail.transactions.len() as u64));
        self.recipients
            .append_value(int(mail.recipients.len() as u64));
        self.accepted.append_value(int(answers.accepted));
        self.refused.append_value(int(answers.refused));
        let first = mail
            .transactions
            .iter()
            .filter_map(|transaction| transaction.answer);
        let refusal = first
            .filter(|answer| answer.refusal)
            .min_by_key(|answer| answer.time);
        let text = refusal.map_or(Text::default(), |answer| answer.text);
        let parsed = reply::parse(text.bytes);
        self.refusal_code
            .append_option(refusal.map(|answer| i32::from(answer.code)));
        append(
            &mut self.refusal_enhanced,
            parsed.and_then(|reply| reply.enhanced).unwrap_or_default(),
        );
        self.refusal_attr
            .append_option(parsed.and_then(|reply| reply.attr).map(reply::attr_name));
        append_text(&mut self.refusal_text, text);
        self.outcome.append_value(outcome(session, &answers));
    }
}

/// What came of a session, the most telling first.
fn outcome(session: &Session<'_>, answers: &Answers) -> &'static str {
    let marks = &session.marks;
    let mail = &session.mail;
    if answers.refused > 0 {
        return if answers.accepted > 0 {
            "partly_refused"
        } else {
            "refused"
        };
    }
    if answers.accepted > 0 {
        return "delivered";
    }
    if mail
        .transactions
        .iter()
        .any(|transaction| transaction.answer.is_some_and(|answer| answer.code >= 400))
    {
        return "rejected";
    }
    if marks.tls_failed {
        return "tls_failed";
    }
    if !session.auth_error.is_empty() {
        return "auth_failed";
    }
    if !session.secure_domain_error.is_empty() {
        return "secure_domain_failed";
    }
    if marks.connect_failed || !marks.connected && session.disconnect.is_none() && !marks.cut_head {
        return "connect_failed";
    }
    if marks.proxying || !session.proxied_session.is_empty() || !session.inbound_session.is_empty()
    {
        return "proxied";
    }
    if session.disconnect.is_none() {
        "unfinished"
    } else {
        "no_mail"
    }
}

/// The names of what is unusual about a session.
fn flags(session: &Session<'_>) -> Vec<&'static str> {
    let Marks {
        masked,
        connector_changed,
        sequence_repeated,
        cut_head,
        ..
    } = session.marks;
    let utf8 = |bytes: &[u8]| matches!(lossless(bytes), std::borrow::Cow::Borrowed(_));
    let all = [
        ("masked", masked),
        ("starttls_stripped", session.starttls() == Some("stripped")),
        ("hub_half", session.marks.hub_half),
        ("front_end_half", session.is_front_end_half()),
        ("client_proxy", session.marks.client_proxy),
        ("inbound_proxy", !session.inbound_session.is_empty()),
        ("connector_changed", connector_changed),
        (
            "sequence_restarted",
            session.segments.len() > 1 && !connector_changed,
        ),
        ("sequence_repeated", sequence_repeated),
        ("sequence_gap", session.gaps > 0),
        ("cut_head", cut_head),
        ("cut_tail", session.disconnect.is_none()),
        ("unknown_event", session.marks.unknown_event),
        ("odd_session", session.marks.odd_session),
        (
            certificate::UNKNOWN_LABEL,
            session.marks.unknown_certificate_label,
        ),
        ("invalid_utf8", !utf8(session.segments[0].connector.bytes)),
    ];
    all.into_iter()
        .filter_map(|(name, set)| set.then_some(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schema() {
        let batch = SessionColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::Sessions.schema());
    }
}
