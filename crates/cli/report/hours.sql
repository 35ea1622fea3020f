-- Recipients that Exchange Online turned away, by connector, server and hour.
select
    organization,
    connector_id,
    server,
    hour,
    sum(refused) as refused
from turned_away
group by organization, connector_id, server, hour
