-- One span of an egress address: the time in which Exchange Online greeted a connector on a server by it,
-- without another address between. Addresses of one IPv6 /64 network (`network`) are one; `egress_ip` is the
-- first of them seen. Spans are defined in `spans`.
-- Grain: organization, connector_id, server, network, first_seen. Reads: spans.
select
    organization,
    connector_id,
    server,
    value as egress_ip,
    compared as network,
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
where kind = 'egress'
