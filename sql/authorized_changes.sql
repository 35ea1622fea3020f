-- One planned change as it counts: a certificate or a network of addresses that a connector may begin to show between
-- `starts` and `ends`. Of several imports of an id the newest counts, so that a plan can be put right.
-- `connector` is in lower case, as names of connectors are compared.
-- Grain: organization, id, connector, thumbprint, address, starts, ends. Reads: planned_changes.
with imports as (
    select
        organization,
        id,
        lower(connector) as connector,
        thumbprint,
        address,
        starts,
        ends,
        dense_rank() over (partition by organization, id order by valid_from desc) as age
    from planned_changes
)

select distinct
    organization,
    id,
    connector,
    thumbprint,
    address,
    starts,
    ends
from imports
where age = 1
