-- An organization and its tenant, where what was imported names one and no other: by `--tenant`, else by the domain
-- that Microsoft 365 gave it. Grain: organization.
select
    organization,
    coalesce(min(named), min(initial)) as tenant
from (
    select
        organization,
        tenant as named,
        null as initial
    from inbound_connectors
    union all
    select
        organization,
        tenant as named,
        case
            when domain_name ilike '%.onmicrosoft.com' and domain_name not ilike '%.mail.onmicrosoft.com'
                then lower(domain_name)
        end as initial
    from accepted_domains
)
group by organization
having
    count(distinct named) = 1
    or count(distinct named) = 0 and count(distinct initial) = 1
