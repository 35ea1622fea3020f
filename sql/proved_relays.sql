-- One point in time at which a connector on a server proved that Exchange Online attributes its mail:
-- a recipient accepted in a domain outside the tenant (`relay_domains`). Any other acceptance proves nothing: mail to
-- the tenant's own domains passes without attribution.
-- Of each domain the first and the last acceptance of each hour are known. A proof acquits the certificate and the
-- address that were in use.
-- Grain: organization, connector_id, server, at. Reads: observed, relay_domains.
select distinct
    organization,
    connector_id,
    server,
    at
from (
    select
        observed.organization,
        observed.connector_id,
        observed.server,
        unnest([observed.first_accepted, observed.last_accepted]) as at
    from observed
    inner join relay_domains
        on observed.organization = relay_domains.organization
        and observed.connector_id = relay_domains.connector_id
        and observed.compared = relay_domains.domain
    where observed.kind = 'relay' and relay_domains.outside and observed.first_accepted is not null
)
