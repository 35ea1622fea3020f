-- Every session, with its connector's role and the batch in which it became whole: a session that was cut off and
-- stays so keeps the batch in which that was known. Grain: organization, source_id, line.
select
    sessions.start_time,
    sessions.end_time,
    sessions.organization,
    sessions.connector_id,
    connectors.role,
    sessions.server,
    sessions.service,
    sessions.session_id,
    sessions.source_id,
    sessions.line,
    sessions.local_ip,
    sessions.local_port,
    sessions.remote_ip,
    sessions.remote_port,
    sessions.peer_kind,
    sessions.banner_host,
    sessions.ehlo_name,
    sessions.egress_ip,
    sessions.tls_protocol,
    sessions.tls_cipher,
    sessions.tls_error,
    sessions.sent_thumbprint,
    sessions.sent_subject,
    sessions.sent_issuer,
    sessions.sent_serial,
    sessions.sent_not_before,
    sessions.sent_not_after,
    sessions.sent_names,
    sessions.messages,
    sessions.accepted,
    sessions.refused,
    sessions.outcome,
    sessions.disconnect_reason,
    sessions.open,
    coalesce(parked.batch, sessions.batch) as batch
from sessions
left join connectors
    on sessions.organization = connectors.organization and sessions.connector_id = connectors.connector_id
left join open_sessions as parked
    on parked.parked
    and sessions.source_id = parked.source_id
    and sessions.line = parked.line
