-- One mail transaction that proves attribution: Exchange Online accepted recipients outside the tenant, in
-- `accepted_domains`. Mail that a hub sent through a front end stands under the front end's server, certificate and
-- address. `sender_domain` is empty for the null sender.
-- Grain: organization, server, service, session_id, ordinal.
-- Reads: transactions, front_ends, relay_domains, connectors.
with told as (
    select
        transactions.organization,
        connectors.connector_id,
        coalesce(front_ends.server, transactions.server) as server,
        transactions.service,
        transactions.session_id,
        transactions.ordinal,
        coalesce(transactions.reply_time, transactions.start_time) as at,
        coalesce(lower(transactions.sender_domain), case when transactions.sender = '' then '' end) as sender_domain,
        transactions.accepted_domains,
        case
            when front_ends.session_id is null then transactions.sent_thumbprint
            else nullif(front_ends.certificate, 'none')
        end as thumbprint,
        coalesce(front_ends.egress, transactions.egress_ip) as egress_ip
    from transactions
    left join front_ends
        on transactions.organization = front_ends.organization
        and transactions.session_id = front_ends.hub_session_id
    inner join connectors
        on transactions.organization = connectors.organization
        and coalesce(front_ends.connector_id, transactions.connector_id) = connectors.connector_id
    where connectors.role in ('cloud_hybrid', 'cloud_relay') and transactions.accepted > 0
),

reached as (
    select
        organization,
        connector_id,
        server,
        service,
        session_id,
        ordinal,
        at,
        sender_domain,
        unnest(accepted_domains) as domain,
        thumbprint,
        egress_ip
    from told
)

select
    reached.organization,
    reached.connector_id,
    reached.server,
    reached.service,
    reached.session_id,
    reached.ordinal,
    min(reached.at) as at,
    min(reached.sender_domain) as sender_domain,
    array_agg(reached.domain) as accepted_domains,
    min(reached.thumbprint) as thumbprint,
    min(reached.egress_ip) as egress_ip
from reached
inner join relay_domains
    on reached.organization = relay_domains.organization
    and reached.connector_id = relay_domains.connector_id
    and reached.domain = relay_domains.domain
where relay_domains.outside
group by
    reached.organization, reached.connector_id, reached.server, reached.service, reached.session_id, reached.ordinal
