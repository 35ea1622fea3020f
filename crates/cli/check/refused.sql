-- What Exchange Online answered: one row per connector, server and answer, with its first and last reply.
select
    refusals.organization,
    refusals.connector_id,
    refusals.server,
    refusals.code,
    refusals.enhanced,
    refusals.attr,
    first_value(
        coalesce(smtp_reply_text(refusals.text), refusals.text)
        order by refusals.found_at, refusals.session_id, refusals.line
    ) as text,
    sum(refusals.refused) as refused,
    count(*) as transactions,
    count(distinct refusals.session_id) as sessions,
    min(refusals.found_at) as first_refused,
    max(refusals.found_at) as last_refused,
    first_value(files.path order by refusals.found_at, refusals.session_id, refusals.line) as first_path,
    first_value(refusals.line order by refusals.found_at, refusals.session_id, refusals.line) as first_line,
    last_value(files.path order by refusals.found_at, refusals.session_id, refusals.line) as last_path,
    last_value(refusals.line order by refusals.found_at, refusals.session_id, refusals.line) as last_line
from refusals
left join (select source_id, min(path) as path from sources group by source_id) as files
    on refusals.source_id = files.source_id
where refusals.role in ('cloud_hybrid', 'cloud_relay')
group by
    refusals.organization,
    refusals.connector_id,
    refusals.server,
    refusals.code,
    refusals.enhanced,
    refusals.attr
order by refusals.organization, refusals.connector_id, refused desc, refusals.server
