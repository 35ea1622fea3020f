-- One session of a hub that went through a front end, with the front end's half of it: what Exchange Online was
-- shown. Where a front end tried several times (another host after a failure), the last one that reached
-- Exchange Online counts.
-- Grain: organization, hub_session_id. Reads: proxied_halves.
with last_halves as (
    select
        organization,
        hub_session_id,
        last_value(
            named_struct(
                'connector_id', connector_id, 'server', server, 'service', service, 'session_id', session_id,
                'start_time', start_time, 'certificate', certificate, 'egress', egress, 'tls', tls, 'peer', peer,
                'route', route, 'source_id', source_id, 'line', line
            )
            order by start_time, server, session_id
        ) as half
    from proxied_halves
    where half = 'front_end'
    group by organization, hub_session_id
)

select
    organization,
    hub_session_id,
    half['connector_id'] as connector_id,
    half['server'] as server,
    half['service'] as service,
    half['session_id'] as session_id,
    half['start_time'] as start_time,
    half['certificate'] as certificate,
    half['egress'] as egress,
    half['tls'] as tls,
    half['peer'] as peer,
    half['route'] as route,
    half['source_id'] as source_id,
    half['line'] as line
from last_halves
