-- One inbound connector of the tenant as an import had it, and the time in which that import counts: from its
-- `valid_from` to that of the tenant's next import. The first import counts backwards too, for nothing else is
-- known of the time before; `assumed_before` marks where that begins to be a guess: its own date, or, where the
-- connector was not changed since, the time of its last change.
-- `usable`: enabled and of type OnPremises, which alone gives relay. An import that told that there is none is one row
-- without a name. Grain: organization, tenant, guid, counts_from. Reads: inbound_connectors, imports.
with only as (
    select
        organization,
        min(tenant) as tenant
    from inbound_connectors
    group by organization
    having count(distinct tenant) = 1
),

-- An export without objects tells no tenant: it is the organization's, where that has but one.
dated as (
    select
        organization,
        tenant,
        valid_from
    from inbound_connectors
    union
    select
        imports.organization,
        coalesce(imports.tenant, only.tenant) as tenant,
        imports.valid_from
    from imports
    left join only on imports.organization = only.organization
    where imports.kind = 'inbound_connectors' and imports.objects = 0
),

snapshots as (
    select
        organization,
        tenant,
        valid_from,
        lead(valid_from) over of_tenant as counts_to,
        row_number() over of_tenant as number
    from dated
    window of_tenant as (partition by organization, tenant order by valid_from)
)

select
    snapshots.organization,
    snapshots.tenant,
    connectors.guid,
    connectors.name,
    connectors.enabled,
    connectors.connector_type,
    connectors.name is not null
    and coalesce(connectors.enabled, true)
    and coalesce(connectors.connector_type, 'OnPremises') = 'OnPremises' as usable,
    connectors.tls_sender_certificate_name,
    connectors.sender_ip_addresses,
    connectors.sender_domains,
    connectors.require_tls,
    connectors.cloud_services_mail_enabled,
    connectors.when_changed,
    connectors.source_path,
    case when snapshots.number > 1 then snapshots.valid_from end as counts_from,
    snapshots.counts_to,
    case
        when snapshots.number = 1 then coalesce(connectors.when_changed, snapshots.valid_from)
        else snapshots.valid_from
    end as assumed_before
from snapshots
left join inbound_connectors as connectors
    on connectors.organization = snapshots.organization
    and (connectors.tenant is not distinct from snapshots.tenant)
    and (connectors.valid_from is not distinct from snapshots.valid_from)
