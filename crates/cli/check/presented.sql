-- What each server of a cloud connector presents now, of each kind: the values that no later one has replaced.
-- `from_start`: nothing else was seen before it there.
with shown as (
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        thumbprint as value,
        subject,
        issuer,
        serial,
        not_before,
        not_after,
        names,
        first_seen,
        last_seen,
        sessions,
        accepted,
        refused,
        first_source_id,
        first_line,
        min(first_seen) over (partition by organization, connector_id, server) as earliest,
        max(first_seen) over (partition by organization, connector_id, server) as latest
    from certificate_spans
    union all
    select
        'egress' as kind,
        organization,
        connector_id,
        server,
        egress_ip as value,
        null as subject,
        null as issuer,
        null as serial,
        null as not_before,
        null as not_after,
        null as names,
        first_seen,
        last_seen,
        sessions,
        accepted,
        refused,
        first_source_id,
        first_line,
        min(first_seen) over (partition by organization, connector_id, server) as earliest,
        max(first_seen) over (partition by organization, connector_id, server) as latest
    from egress_spans
)

select
    shown.kind,
    shown.organization,
    shown.connector_id,
    shown.server,
    shown.value,
    shown.subject,
    shown.issuer,
    shown.serial,
    shown.not_before,
    shown.not_after,
    shown.names,
    shown.first_seen,
    shown.last_seen,
    shown.first_seen < shown.earliest + interval '24 hours' as from_start,
    shown.sessions,
    shown.accepted,
    shown.refused,
    files.path,
    shown.first_line as line
from shown
inner join connectors
    on shown.organization = connectors.organization and shown.connector_id = connectors.connector_id
left join (select source_id, min(path) as path from sources group by source_id) as files
    on shown.first_source_id = files.source_id
where connectors.role in ('cloud_hybrid', 'cloud_relay') and shown.last_seen >= shown.latest
order by shown.organization, shown.connector_id, shown.server, shown.kind, shown.first_seen, shown.value
