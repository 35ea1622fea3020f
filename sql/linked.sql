-- One value that a front end showed Exchange Online in one hour, with the answers that hubs logged for its
-- sessions: what `observations` cannot hold, as the two halves lie in different logs. The front end's own
-- rows there count its sessions, so `sessions` is 0 here; recipient domains (`relay`) stand here alone.
-- Grain: organization, connector_id, server, kind, value, hour. Reads: proxied_halves, front_ends.
with halves as (
    select
        fronts.organization,
        fronts.connector_id,
        fronts.server,
        named_struct(
            'start_time', fronts.start_time, 'session_id', fronts.session_id, 'source_id', fronts.source_id,
            'line', fronts.line, 'sessions', cast(0 as bigint)
        ) as front,
        named_struct(
            'start_time', hubs.start_time, 'session_id', hubs.session_id, 'source_id', hubs.source_id,
            'line', hubs.line, 'sessions', cast(1 as bigint)
        ) as hub,
        fronts.certificate,
        fronts.egress,
        fronts.tls,
        fronts.peer,
        fronts.route,
        hubs.domain,
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
),

shown as (
    select
        organization,
        connector_id,
        server,
        unnest([
            named_struct('kind', 'certificate', 'value', certificate, 'by', front),
            named_struct('kind', 'egress', 'value', egress, 'by', front),
            named_struct('kind', 'tls', 'value', tls, 'by', front),
            named_struct('kind', 'peer', 'value', peer, 'by', front),
            named_struct('kind', 'route', 'value', route, 'by', front),
            named_struct('kind', 'relay', 'value', domain, 'by', hub)
        ]) as shown,
        accepted,
        refused,
        first_accepted,
        last_accepted,
        first_refused,
        last_refused
    from halves
),

told as (
    select
        organization,
        connector_id,
        server,
        shown['kind'] as kind,
        shown['value'] as value,
        shown['by']['start_time'] as start_time,
        shown['by']['session_id'] as session_id,
        shown['by']['source_id'] as source_id,
        shown['by']['line'] as line,
        shown['by']['sessions'] as sessions,
        accepted,
        refused,
        first_accepted,
        last_accepted,
        first_refused,
        last_refused
    from shown
)

select
    organization,
    connector_id,
    server,
    kind,
    value,
    date_trunc('hour', start_time) as hour,
    min(start_time) as first_seen,
    max(start_time) as last_seen,
    sum(sessions) as sessions,
    sum(accepted) as accepted,
    sum(refused) as refused,
    min(first_accepted) as first_accepted,
    max(last_accepted) as last_accepted,
    min(first_refused) as first_refused,
    max(last_refused) as last_refused,
    first_value(session_id order by start_time, session_id) as first_session_id,
    first_value(source_id order by start_time, session_id) as first_source_id,
    first_value(line order by start_time, session_id) as first_line
from told
where value is not null
group by organization, connector_id, server, kind, value, date_trunc('hour', start_time)
