-- One family of names that the certificates of Exchange Online began to show to a connector on a server, of any role,
-- where others were seen before (`family_changed`; a leaf, a host or an issuer that takes another's place is none).
-- Families of the first 24 hours are there from the start; one that is not Microsoft's is an interception (see
-- `lapses`).
-- Grain: organization, connector_id, server, after. Reads: spans.
with families as (
    select
        organization,
        connector_id,
        server,
        compared as family,
        min(first_seen) as first_seen,
        first_value(first_session_id order by first_seen) as session_id,
        sum(sessions) as sessions
    from spans
    where
        kind = 'peer'
        and compared in ('outlook.com', 'mx.microsoft', 'office365.us', 'outlook.cn', 'microsoft.com')
    group by organization, connector_id, server, compared
),

placed as (
    select
        organization,
        connector_id,
        server,
        family,
        first_seen,
        session_id,
        sessions,
        lag(family) over place as before,
        min(first_seen) over place as place_start
    from families
    window place as (partition by organization, connector_id, server order by first_seen, family)
)

select
    organization,
    connector_id,
    server,
    'family_changed' as class,
    setting('relaydrift.severity_peer') as severity,
    before,
    family as after,
    first_seen,
    session_id,
    concat(
        'the certificates of Exchange Online are for ', family, ' where they were for ', before, ' before, in ', sessions,
        case when sessions = 1 then ' session' else ' sessions' end, ' so far'
    ) as detail
from placed
where before is not null and first_seen > place_start + interval '24 hours'
