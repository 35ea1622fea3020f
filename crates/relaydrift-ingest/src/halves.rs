//! Rows of `proxied_halves`: deliveries that a hub and a front end logged each in part.
//!
//! The hub has the mail and its answers, the front end the certificate, TLS and address that the
//! other end saw. The two lie in different logs, often of different servers, so each half is stored
//! with what it knows and the id that they share, and put together when it is asked for: that does
//! not depend on which half was read first, or in which run.

use relaydrift_parse::Session;

use crate::columns::{Int64, Time, Utf8, append, columns};
use crate::emit::Showed;
use crate::observe::Answers;
use crate::{Place, Table};

columns! {
    /// Builders of `proxied_halves`.
    HalfColumns for Table::ProxiedHalves, {
        organization: Utf8, server: Utf8, service: Utf8, connector_id: Utf8, half: Utf8,
        hub_session_id: Utf8, session_id: Utf8, start_time: Time, certificate: Utf8, egress: Utf8,
        tls: Utf8, peer: Utf8, route: Utf8, domain: Utf8, accepted: Int64, refused: Int64,
        first_accepted: Time, last_accepted: Time, first_refused: Time, last_refused: Time,
        source_id: Utf8, line: Int64,
    }
}

/// What a half knows.
pub(crate) enum Half<'a> {
    /// A front end's: what the other end was shown.
    FrontEnd(&'a Showed<'a>),
    /// A hub's: the answers to the recipients of one domain, lower case; no domain for a refused
    /// MAIL and for addresses without one.
    Hub(&'a [u8], &'a Answers),
}

impl HalfColumns {
    pub(crate) fn push(
        &mut self,
        session: &Session<'_>,
        connector: &[u8],
        half: &Half<'_>,
        place: &Place,
        source_id: &str,
    ) {
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.organization.append_value(&place.organization);
        self.server.append_value(&place.server);
        self.service.append_value(&place.service);
        append(&mut self.connector_id, connector);
        let (name, hub, shown, domain, answers) = match half {
            Half::FrontEnd(shown) => (
                "front_end",
                session.proxied_session,
                Some(*shown),
                &b""[..],
                None,
            ),
            Half::Hub(domain, answers) => ("hub", session.id, None, *domain, Some(*answers)),
        };
        self.half.append_value(name);
        append(&mut self.hub_session_id, hub);
        append(&mut self.session_id, session.id);
        self.start_time.append_value(session.start);
        self.certificate
            .append_option(shown.and_then(|shown| shown.certificate));
        self.egress
            .append_option(shown.and_then(|shown| shown.egress));
        append(
            &mut self.tls,
            shown.and_then(|shown| shown.tls).unwrap_or_default(),
        );
        self.peer.append_option(shown.and_then(|shown| shown.peer));
        self.route.append_option(shown.map(|shown| &shown.route));
        append(&mut self.domain, domain);
        self.accepted
            .append_option(answers.map(|answers| int(answers.accepted)));
        self.refused
            .append_option(answers.map(|answers| int(answers.refused)));
        self.first_accepted
            .append_option(answers.and_then(|answers| answers.first_accepted));
        self.last_accepted
            .append_option(answers.and_then(|answers| answers.last_accepted));
        self.first_refused
            .append_option(answers.and_then(|answers| answers.first_refused));
        self.last_refused
            .append_option(answers.and_then(|answers| answers.last_refused));
        self.source_id.append_value(source_id);
        self.line.append_value(int(session.origin.line));
        self.end_row();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schema() {
        let batch = HalfColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::ProxiedHalves.schema());
    }
}
