-- Which messages were refused and must be sent again?
-- For the administrator after the repair: a list for the message tracking log and the senders.
select
    refusals.found_at,
    refusals.server,
    transactions.message_id,
    transactions.sender,
    refusals.refused,
    refusals.refused_domains,
    refusals.text
from refusals
inner join transactions
    on
        refusals.organization = transactions.organization
        and refusals.server = transactions.server
        and refusals.service = transactions.service
        and refusals.session_id = transactions.session_id
        and refusals.source_id = transactions.reply_source_id
        and refusals.line = transactions.reply_line
order by refusals.found_at, refusals.server;
