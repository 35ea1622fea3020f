-- One recipient domain that a connector on a server sent to through Exchange Online in one hour, with the answers.
-- Mail that a hub sent through a front end stands under the front end. A service or a batch of its own is a row of
-- its own: sum them up. Grain: organization, connector_id, server, domain, hour, and the part of the logs.
-- Reads: observations, linked.
select
    organization,
    connector_id,
    server,
    value as domain,
    hour,
    first_seen,
    accepted,
    refused,
    first_accepted,
    last_accepted,
    first_refused,
    last_refused,
    first_session_id
from observations
where kind = 'relay'
union all
select
    organization,
    connector_id,
    server,
    value as domain,
    hour,
    first_seen,
    accepted,
    refused,
    first_accepted,
    last_accepted,
    first_refused,
    last_refused,
    first_session_id
from linked
where kind = 'relay'
