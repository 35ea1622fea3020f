-- Every incident of a server with its cause and what to do, the newest first.
select
    organization,
    connector_id,
    server,
    title,
    confidence,
    state,
    explanation,
    fix,
    first_refused
from diagnosis
order by first_refused desc nulls last, organization, connector_id, server, title
