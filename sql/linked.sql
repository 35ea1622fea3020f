-- One value that a front end showed Exchange Online in one hour, with the answers that hubs logged for its
-- sessions: what `observations` cannot hold, as the two halves lie in different logs. The front end's own
-- rows there count its sessions, so `sessions` is 0 here; recipient domains (`relay`) stand here alone.
-- Grain: organization, connector_id, server, kind, value, hour. Reads: proxied_halves, front_ends.
with answered as (
    select
        organization,
        hub_session_id,
        sum(accepted) as accepted,
        sum(refused) as refused,
        min(first_accepted) as first_accepted,
        max(last_accepted) as last_accepted,
        min(first_refused) as first_refused,
        max(last_refused) as last_refused
    from proxied_halves
    where half = 'hub'
    group by organization, hub_session_id
),

shown as (
    select
        fronts.organization,
        fronts.connector_id,
        fronts.server,
        unnest([
            named_struct('kind', 'certificate', 'value', fronts.certificate),
            named_struct('kind', 'egress', 'value', fronts.egress),
            named_struct('kind', 'tls', 'value', fronts.tls),
            named_struct('kind', 'peer', 'value', fronts.peer),
            named_struct('kind', 'route', 'value', fronts.route)
        ]) as shown,
        fronts.start_time,
        fronts.session_id,
        fronts.source_id,
        fronts.line,
        answered.accepted,
        answered.refused,
        answered.first_accepted,
        answered.last_accepted,
        answered.first_refused,
        answered.last_refused
    from answered
    inner join front_ends as fronts
        on answered.organization = fronts.organization
        and answered.hub_session_id = fronts.hub_session_id
),

told as (
    select
        organization,
        connector_id,
        server,
        shown['kind'] as kind,
        shown['value'] as value,
        start_time,
        session_id,
        source_id,
        line,
        cast(0 as bigint) as sessions,
        accepted,
        refused,
        first_accepted,
        last_accepted,
        first_refused,
        last_refused
    from shown
    union all
    select
        fronts.organization,
        fronts.connector_id,
        fronts.server,
        'relay' as kind,
        hubs.domain as value,
        hubs.start_time,
        hubs.session_id,
        hubs.source_id,
        hubs.line,
        cast(1 as bigint) as sessions,
        hubs.accepted,
        hubs.refused,
        hubs.first_accepted,
        hubs.last_accepted,
        hubs.first_refused,
        hubs.last_refused
    from proxied_halves as hubs
    inner join front_ends as fronts
        on hubs.organization = fronts.organization
        and hubs.hub_session_id = fronts.hub_session_id
    where hubs.half = 'hub'
)

select
    organization,
    connector_id,
    server,
    kind,
    value,
    hour,
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
    first['c2'] as first_source_id,
    first['c3'] as first_line
from (
    select
        organization,
        connector_id,
        server,
        kind,
        value,
        date_trunc('hour', start_time) as hour,
        max(start_time) as last_seen,
        sum(sessions) as sessions,
        sum(accepted) as accepted,
        sum(refused) as refused,
        min(first_accepted) as first_accepted,
        max(last_accepted) as last_accepted,
        min(first_refused) as first_refused,
        max(last_refused) as last_refused,
        min_row(start_time, session_id, source_id, line) as first
    from told
    where value is not null
    group by organization, connector_id, server, kind, value, date_trunc('hour', start_time)
)
