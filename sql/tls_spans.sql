-- One span of a TLS protocol: the time in which sessions of a connector on a server negotiated it without giving way
-- to another. `none`: mail was sent to Exchange Online in the clear (proved by whole sessions). Spans are defined in
-- `spans`.
-- Grain: organization, connector_id, server, protocol, first_seen. Reads: spans.
select
    organization,
    connector_id,
    server,
    value as protocol,
    first_seen,
    last_seen,
    sessions,
    accepted,
    refused,
    first_accepted,
    last_accepted,
    first_refused,
    last_refused,
    first_session_id,
    first_source_id,
    first_line
from spans
where kind = 'tls'
