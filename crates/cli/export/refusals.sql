-- Every row of `refusals`, with what its transaction and its session add, and the batch in which it became whole.
-- Grain: organization, server, service, session_id, source_id, line.
select
    found_at,
    organization,
    connector_id,
    role,
    server,
    service,
    session_id,
    source_id,
    line,
    code,
    enhanced,
    attr,
    text,
    sender_domain,
    refused,
    refused_domains,
    thumbprint,
    egress_ip,
    message_id,
    open,
    batch,
    local_ip,
    local_port,
    remote_ip,
    remote_port,
    banner_host
from (
    select
        refusals.found_at,
        refusals.organization,
        refusals.connector_id,
        refusals.role,
        refusals.server,
        refusals.service,
        refusals.session_id,
        refusals.source_id,
        refusals.line,
        refusals.code,
        refusals.enhanced,
        refusals.attr,
        refusals.text,
        refusals.sender_domain,
        refusals.refused,
        refusals.refused_domains,
        refusals.thumbprint,
        refusals.egress_ip,
        transactions.message_id,
        transactions.open,
        coalesce(parked.batch, transactions.batch) as batch,
        sessions.local_ip,
        sessions.local_port,
        sessions.remote_ip,
        sessions.remote_port,
        sessions.banner_host,
        row_number() over (
            partition by
                refusals.organization, refusals.server, refusals.service, refusals.session_id, refusals.source_id,
                refusals.line
            order by sessions.start_time desc, sessions.source_id, sessions.line
        ) as place
    from refusals
    inner join transactions
        on refusals.organization = transactions.organization
        and refusals.server = transactions.server
        and refusals.service = transactions.service
        and refusals.session_id = transactions.session_id
        and refusals.source_id = transactions.source_id
        and refusals.line = coalesce(transactions.reply_line, transactions.line)
    left join sessions
        on refusals.organization = sessions.organization
        and refusals.server = sessions.server
        and refusals.service = sessions.service
        and refusals.session_id = sessions.session_id
        and sessions.refused > 0
        and sessions.start_time <= transactions.end_time
        and sessions.end_time >= transactions.start_time
    -- A session that was cut off and stays so keeps the batch in which that was known.
    left join open_sessions as parked
        on parked.parked
        and sessions.source_id = parked.source_id
        and sessions.line = parked.line
    where transactions.refused > 0
)
where place = 1
