-- Which public addresses lie outside our own ranges?
-- For the SOC: put your ranges in the place of these documentation networks.
select
    egress_ip,
    ip_scope(egress_ip) as scope,
    connector_id,
    array_agg(distinct server order by server) as servers,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    sum(sessions) as sessions
from egress_spans
where not ip_in(egress_ip, ['203.0.113.0/28', '192.0.2.10-192.0.2.20'])
group by egress_ip, connector_id
order by first_seen, egress_ip;
