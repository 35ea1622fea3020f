-- One session of a hub that went through a front end, with the front end's half of it: what Exchange Online was
-- shown. Where a front end tried several times (another host after a failure), the last one that reached
-- Exchange Online counts.
-- Grain: organization, hub_session_id. Reads: proxied_halves.
select
    organization,
    hub_session_id,
    connector_id,
    server,
    service,
    session_id,
    start_time,
    certificate,
    egress,
    tls,
    peer,
    route,
    source_id,
    line
from (
    select
        organization,
        hub_session_id,
        connector_id,
        server,
        service,
        session_id,
        start_time,
        certificate,
        egress,
        tls,
        peer,
        route,
        source_id,
        line,
        row_number() over (
            partition by organization, hub_session_id order by start_time desc, server desc, session_id desc
        ) as place
    from proxied_halves
    where half = 'front_end'
)
where place = 1
