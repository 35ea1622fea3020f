-- Which certificate does every server present now, and until when is it valid?
-- For the administrator: one name or several, and who is left behind after a renewal.
select
    connector_id,
    server,
    thumbprint,
    subject,
    not_after,
    first_seen,
    last_seen,
    sessions,
    refused
from certificate_spans
qualify row_number() over (partition by organization, connector_id, server order by last_seen desc) = 1
order by connector_id, server;
