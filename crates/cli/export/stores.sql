-- An organization whose servers' certificate stores were imported, and when last. Grain: organization.
select
    organization,
    max(valid_from) as newest
from certificates
where server is not null
group by organization
