-- One span of a certificate: the time in which a connector on a server sent it without giving way to another,
-- with the certificate's facts as far as any log spelled them out. Sessions, accepted and refused recipients
-- are those of the sessions that sent it; `first_session_id`, `first_source_id` and `first_line` lead to the
-- first of them. Spans are defined in `spans`.
-- Grain: organization, connector_id, server, thumbprint, first_seen. Reads: spans, certificate_facts.
select
    spans.organization,
    spans.connector_id,
    spans.server,
    spans.value as thumbprint,
    facts.subject,
    facts.issuer,
    facts.serial,
    facts.not_before,
    facts.not_after,
    facts.names,
    spans.first_seen,
    spans.last_seen,
    spans.sessions,
    spans.accepted,
    spans.refused,
    spans.first_accepted,
    spans.last_accepted,
    spans.first_refused,
    spans.last_refused,
    spans.first_session_id,
    spans.first_source_id,
    spans.first_line
from spans
left join certificate_facts as facts on spans.value = facts.thumbprint
where spans.kind = 'certificate'
