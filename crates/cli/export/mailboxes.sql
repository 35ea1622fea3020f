-- The mailboxes of transactions with refused recipients: sender, and every recipient that was named before the
-- deciding reply. Grain: organization, server, service, session_id, source_id, line, as in `refusals.sql`.
select
    transactions.organization as of_organization,
    transactions.server as of_server,
    transactions.service as of_service,
    transactions.session_id as of_session_id,
    transactions.source_id as of_source_id,
    coalesce(transactions.reply_line, transactions.line) as of_line,
    max(transactions.sender) as sender,
    array_agg(distinct regexp_match(events.data, '^RCPT TO:<([^>]*)>', 'i')[1]) as recipients
from transactions
left join events
    on transactions.organization = events.organization
    and transactions.server = events.server
    and transactions.service = events.service
    and transactions.session_id = events.session_id
    and transactions.source_id = events.source_id
    and events.event = '>'
    and events.data ilike 'RCPT TO:<%'
    and events.line >= transactions.line
    and events.line <= coalesce(transactions.reply_line, transactions.line)
where transactions.refused > 0
group by
    transactions.organization,
    transactions.server,
    transactions.service,
    transactions.session_id,
    transactions.source_id,
    coalesce(transactions.reply_line, transactions.line)
