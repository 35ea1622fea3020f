-- Which certificates has every server presented, and from when to when?
-- For the analyst: the whole history, with recipients accepted and refused under each.
select
    connector_id,
    server,
    first_seen,
    last_seen,
    thumbprint,
    subject,
    sessions,
    accepted,
    refused
from certificate_spans
order by connector_id, server, first_seen;
