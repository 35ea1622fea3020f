-- Recipients that Exchange Online refused, by connector, server and hour.
select
    organization,
    connector_id,
    server,
    date_trunc('hour', found_at) as hour,
    sum(refused) as refused
from refusals
where role in ('cloud_hybrid', 'cloud_relay')
group by organization, connector_id, server, date_trunc('hour', found_at)
