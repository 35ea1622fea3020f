-- One mail transaction through Exchange Online of which recipients were turned away, be it some of them. A session that
-- TLS ended before any mail counts as one (ordinal 0, nobody refused).
-- family: `attribution` (5.7.64, ATTR35, ATTR36, 5.7.51, 5.7.68, 454 TLS channel), `blocked_connector` (5.7.711),
-- `tenant_limit` (5.7.232, 5.7.233), `tenant_blocked` (5.7.705, 5.7.750), `reputation` (5.7.606 to 649, 5.7.511 to
-- 513, 5.7.708, 4.7.500 to 699, 4.7.850 to 899), `server_version` (4.7.230, 5.7.230), `recipient_side`
-- (5.4.1, recipients outside the tenant that their own one does not know; `about`: their domain), `tls` (the session
-- that TLS ended).
-- `accepted_domains`: those of its other recipients. `sender_domain` is empty for the null sender.
-- Mail that a hub sent through a front end stands under the front end's server, certificate and address.
-- `line` and `source_id` lead to the deciding reply. Grain: organization, server, service, session_id, ordinal.
-- Reads: transactions, sessions, front_ends, relay_domains, connectors.
with told as (
    select
        transactions.organization,
        connectors.connector_id,
        connectors.role,
        coalesce(front_ends.server, transactions.server) as server,
        transactions.service,
        transactions.session_id,
        transactions.ordinal,
        coalesce(transactions.reply_time, transactions.start_time) as at,
        coalesce(transactions.reply_source_id, transactions.source_id) as source_id,
        coalesce(transactions.reply_line, transactions.line) as line,
        transactions.message_id,
        coalesce(lower(transactions.sender_domain), case when transactions.sender = '' then '' end) as sender_domain,
        transactions.recipients,
        transactions.accepted,
        transactions.refused,
        transactions.accepted_domains,
        case
            when transactions.refused > 0 then transactions.refused_domains
            else transactions.rejected_domains
        end as refused_domains,
        transactions.reply_code,
        transactions.enhanced_code,
        transactions.attr_code,
        transactions.reply_text,
        case
            when front_ends.session_id is null then transactions.sent_thumbprint
            else nullif(front_ends.certificate, 'none')
        end as thumbprint,
        coalesce(front_ends.egress, transactions.egress_ip) as egress_ip,
        case
            when transactions.refused > 0 then 'attribution'
            when coalesce(transactions.reply_code < 400, true) then null
            when transactions.enhanced_code = '5.7.711' then 'blocked_connector'
            when transactions.enhanced_code in ('5.7.232', '5.7.233') then 'tenant_limit'
            when transactions.enhanced_code in ('5.7.705', '5.7.750') then 'tenant_blocked'
            when transactions.enhanced_code in ('4.7.230', '5.7.230') then 'server_version'
            when transactions.enhanced_code in ('5.7.708', '5.7.511', '5.7.512', '5.7.513') then 'reputation'
            when
                regexp_like(transactions.enhanced_code, '^5\.7\.6(0[6-9]|[1-4][0-9])$')
                or regexp_like(transactions.enhanced_code, '^4\.7\.(5[0-9][0-9]|6[0-9][0-9]|8[5-9][0-9])$')
                then 'reputation'
            when
                transactions.enhanced_code = '5.4.1'
                and connectors.role = 'cloud_relay'
                and not coalesce(toward.own, false)
                and transactions.reply_text like '%Recipient address rejected: Access denied%'
                then 'recipient_side'
        end as family
    from transactions
    left join front_ends
        on transactions.organization = front_ends.organization
        and transactions.session_id = front_ends.hub_session_id
    inner join connectors
        on transactions.organization = connectors.organization
        and coalesce(front_ends.connector_id, transactions.connector_id) = connectors.connector_id
    left join relay_domains as toward
        on transactions.organization = toward.organization
        and coalesce(front_ends.connector_id, transactions.connector_id) = toward.connector_id
        and transactions.rejected_domains[1] = toward.domain
    where
        connectors.role in ('cloud_hybrid', 'cloud_relay')
        and (transactions.refused > 0 or transactions.reply_code >= 400)
)

select
    organization,
    connector_id,
    role,
    server,
    service,
    session_id,
    ordinal,
    at,
    source_id,
    line,
    message_id,
    sender_domain,
    recipients,
    accepted,
    case
        when family = 'attribution' then refused
        else greatest(recipients - accepted, 1)
    end as refused,
    accepted_domains,
    refused_domains,
    reply_code,
    enhanced_code,
    attr_code,
    reply_text,
    thumbprint,
    egress_ip,
    family,
    case when family = 'recipient_side' then refused_domains[1] end as about
from told
where family is not null
union all
select
    sessions.organization,
    sessions.connector_id,
    connectors.role,
    sessions.server,
    sessions.service,
    sessions.session_id,
    cast(0 as int) as ordinal,
    sessions.end_time as at,
    sessions.source_id,
    sessions.line,
    null as message_id,
    null as sender_domain,
    cast(0 as bigint) as recipients,
    cast(0 as bigint) as accepted,
    cast(0 as bigint) as refused,
    null as accepted_domains,
    null as refused_domains,
    null as reply_code,
    null as enhanced_code,
    null as attr_code,
    sessions.tls_error as reply_text,
    sessions.sent_thumbprint as thumbprint,
    sessions.egress_ip,
    'tls' as family,
    null as about
from sessions
inner join connectors
    on sessions.organization = connectors.organization and sessions.connector_id = connectors.connector_id
where
    connectors.role in ('cloud_hybrid', 'cloud_relay')
    and sessions.tls_error is not null
    and coalesce(sessions.messages, 0) = 0
    and coalesce(sessions.recipients, 0) = 0
