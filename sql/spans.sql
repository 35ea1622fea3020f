-- One span: the time in which a connector on a server showed one value (a certificate, an egress address, a
-- TLS protocol, the certificates of a peer's family) without giving way to another. That no certificate was sent
-- is no value of its own: see `lapses`.
-- Two observations of a value, neighbours in time, belong to one span unless another value of that kind
-- was seen between them and they lie more than one hour apart (`span_number`).
-- Grain: organization, connector_id, server, kind, compared, span. Reads: observed.
with numbered as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        span_number(compared, first_seen, last_seen) over (
            partition by organization, connector_id, server, kind
        ) as span,
        value,
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
    from observed
    where kind in ('certificate', 'egress', 'tls', 'peer') and not (kind = 'certificate' and compared = 'none')
),

gathered as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        span,
        max(last_seen) as last_seen,
        sum(sessions) as sessions,
        sum(accepted) as accepted,
        sum(refused) as refused,
        min(first_accepted) as first_accepted,
        max(last_accepted) as last_accepted,
        min(first_refused) as first_refused,
        max(last_refused) as last_refused,
        min_row(first_seen, first_session_id, value, first_source_id, first_line) as first
    from numbered
    group by organization, connector_id, server, kind, compared, span
)

select
    organization,
    connector_id,
    server,
    kind,
    compared,
    span,
    first['c2'] as value,
    first['c0'] as first_seen,
    last_seen,
    sessions,
    accepted,
    refused,
    first_accepted,
    last_accepted,
    first_refused,
    last_refused,
    first['c1'] as first_session_id,
    first['c3'] as first_source_id,
    first['c4'] as first_line
from gathered
