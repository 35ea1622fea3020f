-- One hour of evidence whether Exchange Online attributes the mail of a connector on a server: recipients accepted and
-- refused in domains that the connector has had refused, now or at any other time (see `proved_relays`), and whether
-- the hour is good: less than `incident_percent` of them were refused. Times are corrected by `clocks`;
-- `skew_seconds` takes that back.
-- Grain: organization, connector_id, server, hour. Reads: relay_hours, relay_domains, clocks.
with answered as (
    select
        relay_hours.organization,
        relay_hours.connector_id,
        relay_hours.server,
        relay_hours.hour,
        sum(relay_hours.accepted) as accepted,
        sum(relay_hours.refused) as refused,
        min(relay_hours.first_accepted) as first_accepted,
        max(relay_hours.last_accepted) as last_accepted,
        min(relay_hours.first_refused) as first_refused,
        max(relay_hours.last_refused) as last_refused,
        min_row(relay_hours.first_seen, relay_hours.first_session_id)['c1'] as session_id
    from relay_hours
    inner join relay_domains
        on relay_hours.organization = relay_domains.organization
        and relay_hours.connector_id = relay_domains.connector_id
        and relay_hours.domain = relay_domains.domain
    where relay_domains.refused > 0 and relay_hours.accepted + relay_hours.refused > 0
    group by
        relay_hours.organization,
        relay_hours.connector_id,
        relay_hours.server,
        relay_hours.hour,
        relay_hours.domain
),

hours as (
    select
        organization,
        connector_id,
        server,
        hour,
        sum(accepted) as accepted,
        sum(refused) as refused,
        least(min(first_accepted), min(first_refused)) as first_seen,
        greatest(max(last_accepted), max(last_refused)) as last_seen,
        min(first_refused) as first_refused,
        max(last_refused) as last_refused,
        first_value(session_id order by first_refused nulls last, session_id) as session_id
    from answered
    group by organization, connector_id, server, hour
),

corrected as (
    select
        hours.organization,
        hours.connector_id,
        hours.server,
        hours.hour,
        hours.accepted,
        hours.refused,
        hours.first_seen,
        hours.last_seen,
        hours.first_refused,
        hours.last_refused,
        hours.session_id,
        coalesce(clocks.skew_seconds, 0) as skew_seconds,
        arrow_cast(coalesce(clocks.skew_seconds, 0), 'Duration(Second)') as skew
    from hours
    left join clocks on hours.organization = clocks.organization and hours.server = clocks.server
)

select
    organization,
    connector_id,
    server,
    hour,
    accepted,
    refused,
    100.0 * refused < setting('relaydrift.incident_percent') * (accepted + refused) as good,
    first_seen - skew as first_seen,
    last_seen - skew as last_seen,
    first_refused - skew as first_refused,
    last_refused - skew as last_refused,
    session_id,
    skew_seconds
from corrected
