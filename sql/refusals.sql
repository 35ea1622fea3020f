-- One mail transaction in which Exchange Online refused recipients because it could not attribute the mail,
-- with the reply and the place in the input (`source_id` and `line` of the refusing reply). Of mail that a hub
-- sent through a front end, `thumbprint` and `egress_ip` are what the front end showed.
-- Grain: organization, server, service, session_id, line. Reads: transactions, connectors, front_ends.
select
    coalesce(transactions.reply_time, transactions.start_time) as found_at,
    transactions.organization,
    transactions.connector_id,
    connectors.role,
    transactions.server,
    transactions.service,
    transactions.session_id,
    transactions.source_id,
    coalesce(transactions.reply_line, transactions.line) as line,
    transactions.reply_code as code,
    transactions.enhanced_code as enhanced,
    transactions.attr_code as attr,
    transactions.reply_text as text,
    transactions.sender_domain,
    transactions.refused,
    transactions.refused_domains,
    case
        when front_ends.session_id is null then transactions.sent_thumbprint
        else nullif(front_ends.certificate, 'none')
    end as thumbprint,
    coalesce(front_ends.egress, transactions.egress_ip) as egress_ip
from transactions
left join connectors
    on transactions.organization = connectors.organization
    and transactions.connector_id = connectors.connector_id
left join front_ends
    on transactions.organization = front_ends.organization
    and transactions.session_id = front_ends.hub_session_id
where transactions.refused > 0
