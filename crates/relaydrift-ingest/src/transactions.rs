//! Rows of `transactions`.

use relaydrift_parse::transaction::{Fate, Transaction};
use relaydrift_parse::{Session, Text, command, reply, text::lossless};

use crate::columns::{
    Bool, Int32, Int64, Texts, Time, Utf8, append, append_list, append_text, columns,
};
use crate::emit::{Shown, count, domains, peer_kind};
use crate::observe::Answers;
use crate::{Place, Table};

columns! {
    /// Builders of `transactions`.
    TransactionColumns for Table::Transactions, {
        start_time: Time, end_time: Time, organization: Utf8, server: Utf8, service: Utf8,
        connector_id: Utf8, session_id: Utf8, ordinal: Int32, peer_kind: Utf8, record_id: Utf8,
        message_id: Utf8, sender: Utf8, sender_domain: Utf8, recipients: Int64, accepted: Int64,
        refused: Int64, accepted_domains: Texts, refused_domains: Texts,
        rejected_domains: Texts, size_bytes: Int64, outcome: Utf8, reply_code: Int32, enhanced_code: Utf8, attr_code: Utf8,
        reply_text: Utf8, reply_time: Time, reply_source_id: Utf8, reply_line: Int64,
        duration_ms: Int64, sent_thumbprint: Utf8, egress_ip: Utf8, open: Bool, source_id: Utf8,
        line: Int64,
    }
}

impl TransactionColumns {
    pub(crate) fn push<'i>(
        &mut self,
        session: &Session<'_>,
        (ordinal, transaction): (usize, &Transaction<'_>),
        shown: &Shown,
        place: &Place,
        source_id: impl Fn(u32) -> &'i str,
        open: bool,
    ) {
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let mut answers = Answers::default();
        count(session, transaction, &mut answers);
        self.start_time.append_value(transaction.start);
        self.end_time.append_value(transaction.end);
        self.organization.append_value(&place.organization);
        self.server.append_value(&place.server);
        self.service.append_value(&place.service);
        append_text(
            &mut self.connector_id,
            session.segments[transaction.segment].connector,
        );
        append(&mut self.session_id, session.id);
        self.ordinal
            .append_value(i32::try_from(ordinal + 1).unwrap_or(i32::MAX));
        self.peer_kind.append_option(peer_kind(session));
        append(&mut self.record_id, transaction.record_id);
        append_text(&mut self.message_id, undoubled(transaction.message_id));
        // The null sender is a value; a transaction always has one.
        self.sender
            .append_value(lossless(&undoubled(transaction.sender).value()));
        append(
            &mut self.sender_domain,
            command::domain(transaction.sender).unwrap_or_default(),
        );
        self.recipients.append_value(int(transaction.count as u64));
        self.accepted.append_value(int(answers.accepted));
        self.refused.append_value(int(answers.refused));
        let of = |fate| {
            domains(session, transaction, fate)
                .into_iter()
                .collect::<Vec<_>>()
        };
        append_list(&mut self.accepted_domains, &of(Fate::Accepted));
        append_list(&mut self.refused_domains, &of(Fate::Refused));
        append_list(&mut self.rejected_domains, &of(Fate::Rejected));
        self.size_bytes
            .append_option(transaction.size.or(transaction.chunked).map(int));
        self.outcome.append_value(outcome(transaction, &answers));
        self.push_answer(transaction, &source_id);
        self.duration_ms
            .append_value((transaction.end - transaction.start) / 1000);
        // What a hub shows its front end decides nothing.
        let sent = shown.sent_thumbprint();
        let sent = sent.filter(|_| !session.marks.hub_half);
        self.sent_thumbprint.append_option(sent);
        self.egress_ip.append_option(shown.egress.as_ref());
        self.open.append_value(open);
        self.source_id
            .append_value(source_id(transaction.origin.source));
        self.line.append_value(int(transaction.origin.line));
        self.end_row();
    }

    fn push_answer<'i>(&mut self, of: &Transaction<'_>, source_id: &impl Fn(u32) -> &'i str) {
        let text = of.answer.map_or(Text::default(), |answer| answer.text);
        let parsed = reply::parse(text.bytes);
        self.reply_code
            .append_option(of.answer.map(|answer| i32::from(answer.code)));
        append(
            &mut self.enhanced_code,
            parsed.and_then(|reply| reply.enhanced).unwrap_or_default(),
        );
        self.attr_code
            .append_option(parsed.and_then(|reply| reply.attr).map(reply::attr_name));
        append_text(&mut self.reply_text, text);
        self.reply_time
            .append_option(of.answer.map(|answer| answer.time));
        self.reply_source_id
            .append_option(of.answer.map(|answer| source_id(answer.origin.source)));
        let line = of
            .answer
            .map(|answer| i64::try_from(answer.origin.line).unwrap_or(i64::MAX));
        self.reply_line.append_option(line);
    }
}

/// A part of a field: quotes that the field's quoting doubled are single ones. (A field that is not quoted
/// holds no doubled quotes, as Exchange quotes each field that has a quote.)
fn undoubled(bytes: &[u8]) -> Text<'_> {
    Text {
        bytes,
        escaped: true,
    }
}

fn outcome(transaction: &Transaction<'_>, answers: &Answers) -> &'static str {
    let code = transaction.answer.map_or(0, |answer| answer.code);
    match (answers.refused > 0, answers.accepted > 0) {
        (true, true) => "partly_refused",
        (true, false) => "refused",
        (false, true) if transaction.delivered == Some(true) => "delivered",
        (false, _) if (400..500).contains(&code) => "deferred",
        (false, _) if code >= 500 => "rejected",
        (false, _) => "unfinished",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schema() {
        let batch = TransactionColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::Transactions.schema());
    }
}
