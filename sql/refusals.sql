-- One mail transaction in which Exchange Online refused recipients because it could not attribute the mail,
-- with the reply and the place in the input (`source_id` and `line` of the refusing reply).
-- Grain: organization, server, service, session_id, line. Reads: transactions, connectors.
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
    transactions.sent_thumbprint as thumbprint,
    transactions.egress_ip
from transactions
left join connectors
    on transactions.organization = connectors.organization
    and transactions.connector_id = connectors.connector_id
where transactions.refused > 0
