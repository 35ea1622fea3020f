-- One recipient domain that a connector sent to through Exchange Online, and whether it lies outside the tenant.
-- Only mail to a domain outside needs attribution, so only that proves it. Where accepted domains are imported,
-- outside is what none of them covers; else what the connector has had refused for want of attribution, at any
-- time (mail to the tenant's own domains passes unattributed, so a refusal tells that a domain is outside).
-- `own`: an accepted domain covers it. Grain: organization, connector_id, domain. Reads: relay_hours, own_domains.
with reached as (
    select
        organization,
        connector_id,
        domain,
        sum(refused) as refused
    from relay_hours
    group by organization, connector_id, domain
),

covered as (
    select
        reached.organization,
        reached.connector_id,
        reached.domain,
        reached.refused,
        count(own.domain) as known,
        max(
            case
                when reached.domain = own.domain then 1
                when own.with_subdomains and ends_with(reached.domain, concat('.', own.domain)) then 1
                else 0
            end
        ) as is_own
    from reached
    left join own_domains as own on reached.organization = own.organization
    group by reached.organization, reached.connector_id, reached.domain, reached.refused
)

select
    organization,
    connector_id,
    domain,
    refused,
    is_own > 0 as own,
    case
        when known > 0 then is_own = 0
        else refused > 0
    end as outside
from covered
