-- From which public addresses does mail reach Exchange Online?
-- For the administrator: what belongs into the inbound connector, the SPF record and allow-lists.
select
    connector_id,
    egress_ip,
    array_agg(distinct server order by server) as servers,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    sum(sessions) as sessions,
    sum(refused) as refused
from egress_spans
group by connector_id, egress_ip
order by connector_id, egress_ip;
