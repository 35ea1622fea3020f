-- One inbound connector of the tenant as an import had it, and the time in which that import counts: from its
-- `valid_from` to that of the tenant's next import. The first import counts backwards too, for nothing else is
-- known of the time before; `assumed_before` marks where that begins to be a guess: its own date, or, where the
-- connector was not changed since, the time of its last change.
-- `usable`: enabled and of type OnPremises, which alone gives relay. Grain: organization, tenant, guid, counts_from.
-- Reads: inbound_connectors.
with snapshots as (
    select
        organization,
        tenant,
        valid_from,
        lead(valid_from) over of_tenant as counts_to,
        row_number() over of_tenant as number
    from (select distinct organization, tenant, valid_from from inbound_connectors)
    window of_tenant as (partition by organization, tenant order by valid_from)
)

select
    connectors.organization,
    connectors.tenant,
    connectors.guid,
    connectors.name,
    connectors.enabled,
    connectors.connector_type,
    coalesce(connectors.enabled, true) and coalesce(connectors.connector_type, 'OnPremises') = 'OnPremises' as usable,
    connectors.tls_sender_certificate_name,
    connectors.sender_ip_addresses,
    connectors.sender_domains,
    connectors.require_tls,
    connectors.cloud_services_mail_enabled,
    connectors.when_changed,
    connectors.source_path,
    case when snapshots.number > 1 then connectors.valid_from end as counts_from,
    snapshots.counts_to,
    case
        when snapshots.number = 1 then coalesce(connectors.when_changed, connectors.valid_from)
        else connectors.valid_from
    end as assumed_before
from inbound_connectors as connectors
inner join snapshots
    on connectors.organization = snapshots.organization
    and (connectors.tenant is not distinct from snapshots.tenant)
    and (connectors.valid_from is not distinct from snapshots.valid_from)
