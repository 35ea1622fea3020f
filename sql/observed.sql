-- One value that a connector showed on a server in one hour: `observations` with services and batches summed,
-- and with the answers that a hub logged for a front end's sessions.
-- `compared` is what decides whether two values are the same: the value itself; for egress addresses
-- the address of IPv4 and the /64 network of IPv6; for certificates of peers, which take turns, the family of
-- names as far as any log spelled it out. Recipient domains stand in `relay_hours`, rows in `logged_hours`, clocks in
-- `clocks`.
-- Grain: organization, connector_id, server, kind, compared, hour. Reads: observations, linked, certificate_facts.
select
    organization,
    connector_id,
    server,
    kind,
    compared,
    hour,
    first['c2'] as value,
    first['c0'] as first_seen,
    last_seen,
    sessions,
    rows,
    accepted,
    refused,
    first_accepted,
    last_accepted,
    first_refused,
    last_refused,
    first['c1'] as first_session_id,
    first['c3'] as first_source_id,
    first['c4'] as first_line
from (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        hour,
        max(last_seen) as last_seen,
        sum(sessions) as sessions,
        sum(rows) as rows,
        sum(accepted) as accepted,
        sum(refused) as refused,
        min(first_accepted) as first_accepted,
        max(last_accepted) as last_accepted,
        min(first_refused) as first_refused,
        max(last_refused) as last_refused,
        min_row(first_seen, first_session_id, value, first_source_id, first_line) as first
    from (
        select
            seen.organization,
            seen.connector_id,
            seen.server,
            seen.kind,
            case seen.kind
                when 'egress' then egress_network(seen.value)
                when 'peer' then coalesce(facts.family, seen.value)
                else seen.value
            end as compared,
            seen.hour,
            seen.value,
            seen.first_seen,
            seen.last_seen,
            seen.sessions,
            seen.rows,
            seen.accepted,
            seen.refused,
            seen.first_accepted,
            seen.last_accepted,
            seen.first_refused,
            seen.last_refused,
            seen.first_session_id,
            seen.first_source_id,
            seen.first_line
        from (
            select
                organization,
                connector_id,
                server,
                kind,
                value,
                hour,
                first_seen,
                last_seen,
                sessions,
                rows,
                accepted,
                refused,
                first_accepted,
                last_accepted,
                first_refused,
                last_refused,
                first_session_id,
                first_source_id,
                first_line
            from observations
            where kind not in ('relay', 'rows', 'skew')
            union all
            select
                organization,
                connector_id,
                server,
                kind,
                value,
                hour,
                first_seen,
                last_seen,
                sessions,
                cast(0 as bigint) as rows,
                accepted,
                refused,
                first_accepted,
                last_accepted,
                first_refused,
                last_refused,
                first_session_id,
                first_source_id,
                first_line
            from linked
            where kind <> 'relay'
        ) as seen
        left join certificate_facts as facts on seen.kind = 'peer' and seen.value = facts.thumbprint
    )
    group by organization, connector_id, server, kind, compared, hour
)
