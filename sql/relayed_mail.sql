-- One recipient domain outside the tenant in which Exchange Online accepted recipients of a mail transaction: it proves
-- attribution. Mail that a hub sent through a front end stands under the front end's server, certificate and
-- address. `sender_domain` is empty for the null sender.
-- Grain: organization, server, service, session_id, ordinal, domain.
-- Reads: transactions, front_ends, relay_domains, connectors.
with outside as (
    select
        relay_domains.organization,
        relay_domains.connector_id,
        relay_domains.domain
    from relay_domains
    inner join connectors
        on relay_domains.organization = connectors.organization
        and relay_domains.connector_id = connectors.connector_id
    where relay_domains.outside and connectors.role in ('cloud_hybrid', 'cloud_relay')
),

told as (
    select
        transactions.organization,
        coalesce(front_ends.connector_id, transactions.connector_id) as connector_id,
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
    where transactions.accepted > 0
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
    reached.at,
    reached.sender_domain,
    reached.domain,
    reached.thumbprint,
    reached.egress_ip
from reached
inner join outside
    on reached.organization = outside.organization
    and reached.connector_id = outside.connector_id
    and reached.domain = outside.domain
