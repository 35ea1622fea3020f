-- One point in time at which a connector on a server proved that Exchange Online attributes its mail:
-- a recipient accepted in a domain that the connector has had refused, now or at any other time.
-- (Any other acceptance proves nothing: mail to the tenant's own domains passes without attribution.)
-- The first and the last such acceptance of each hour are known. `kind` repeats every point for each
-- kind of change that it can acquit.
-- Grain: organization, connector_id, server, kind, at. Reads: observed.
select distinct
    organization,
    connector_id,
    server,
    kind,
    at
from (
    select
        organization,
        connector_id,
        server,
        at,
        unnest(['certificate', 'egress']) as kind
    from (
        select
            organization,
            connector_id,
            server,
            unnest([first_accepted, last_accepted]) as at
        from (
            select
                organization,
                connector_id,
                server,
                first_accepted,
                last_accepted,
                sum(refused) over (partition by organization, connector_id, compared) as refused_ever
            from observed
            where kind = 'relay'
        )
        where refused_ever > 0 and first_accepted is not null
    )
)
