-- One domain that the tenant accepts as its own, whenever it was imported: a domain that comes or goes later moves
-- no verdict. `with_subdomains`: its subdomains are accepted too.
-- Grain: organization, domain, with_subdomains. Reads: accepted_domains.
select distinct
    organization,
    ltrim(lower(domain_name), '*.') as domain,
    coalesce(match_subdomains, false) or starts_with(domain_name, '*.') as with_subdomains
from accepted_domains
where domain_name is not null
