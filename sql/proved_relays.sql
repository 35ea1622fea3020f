-- One point in time at which a connector on a server proved that Exchange Online attributes its mail:
-- a recipient accepted in a domain outside the tenant (`relay_domains`). Any other acceptance proves nothing: mail to
-- the tenant's own domains passes without attribution.
-- Of each domain the first and the last acceptance of each hour are known. A proof acquits the certificate and the
-- address that were in use.
-- Grain: organization, connector_id, server, at. Reads: relay_hours, relay_domains.
select distinct
    organization,
    connector_id,
    server,
    at
from (
    select
        hours.organization,
        hours.connector_id,
        hours.server,
        unnest([hours.first_accepted, hours.last_accepted]) as at
    from relay_hours as hours
    inner join relay_domains
        on hours.organization = relay_domains.organization
        and hours.connector_id = relay_domains.connector_id
        and hours.domain = relay_domains.domain
    where relay_domains.outside and hours.first_accepted is not null
)
