-- One hour of evidence whether Exchange Online attributes the mail of a connector on a server: recipients accepted and
-- refused in domains that the connector has had refused, now or at any other time (see `proved_relays`), and whether
-- the hour is good: less than `incident_percent` of them were refused. Times are corrected by `clocks`;
-- `skew_seconds` takes that back.
-- Grain: organization, connector_id, server, hour. Reads: observed, clocks.
with refused_ever as (
    select organization, connector_id, compared
    from observed
    where kind = 'relay'
    group by organization, connector_id, compared
    having sum(refused) > 0
),

hours as (
    select
        observed.organization,
        observed.connector_id,
        server,
        hour,
        sum(accepted) as accepted,
        sum(refused) as refused,
        least(min(first_accepted), min(first_refused)) as first_seen,
        greatest(max(last_accepted), max(last_refused)) as last_seen,
        min(first_refused) as first_refused,
        max(last_refused) as last_refused,
        first_value(first_session_id order by first_refused nulls last, first_session_id) as session_id
    from observed
    inner join refused_ever
        on observed.organization = refused_ever.organization
        and observed.connector_id = refused_ever.connector_id
        and observed.compared = refused_ever.compared
    where kind = 'relay' and accepted + refused > 0
    group by observed.organization, observed.connector_id, server, hour
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
