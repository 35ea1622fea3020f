-- What Exchange Online answered to mail that it turned away: one row per connector, server and answer, with its first
-- and last reply, and the first proved relay after that. `title`: what an answer means that is not about attribution.
with answered as (
    select
        turned_away.organization,
        turned_away.connector_id,
        turned_away.server,
        turned_away.family,
        turned_away.reply_code as code,
        turned_away.enhanced_code as enhanced,
        turned_away.attr_code as attr,
        first_value(
            coalesce(smtp_reply_text(turned_away.reply_text), turned_away.reply_text)
            order by turned_away.at, turned_away.session_id, turned_away.line
        ) as text,
        sum(turned_away.refused) as refused,
        count(*) as transactions,
        count(distinct turned_away.session_id) as sessions,
        min(turned_away.at) as first_refused,
        max(turned_away.at) as last_refused,
        first_value(files.path order by turned_away.at, turned_away.session_id, turned_away.line) as first_path,
        first_value(turned_away.line order by turned_away.at, turned_away.session_id, turned_away.line) as first_line,
        last_value(files.path order by turned_away.at, turned_away.session_id, turned_away.line) as last_path,
        last_value(turned_away.line order by turned_away.at, turned_away.session_id, turned_away.line) as last_line
    from turned_away
    left join (select source_id, min(path) as path from sources group by source_id) as files
        on turned_away.source_id = files.source_id
    group by
        turned_away.organization,
        turned_away.connector_id,
        turned_away.server,
        turned_away.family,
        turned_away.reply_code,
        turned_away.enhanced_code,
        turned_away.attr_code
),

again as (
    select
        answered.organization,
        answered.connector_id,
        answered.server,
        answered.last_refused,
        min(proved_relays.at) as relayed_again
    from answered
    inner join proved_relays
        on answered.organization = proved_relays.organization
        and answered.connector_id = proved_relays.connector_id
        and answered.server = proved_relays.server
        and answered.last_refused < proved_relays.at
    group by answered.organization, answered.connector_id, answered.server, answered.last_refused
)

select
    answered.*,
    again.relayed_again,
    case when answered.family <> 'attribution' then remedy(answered.family, 'title', []) end as title
from answered
left join again
    on answered.organization = again.organization
    and answered.connector_id = again.connector_id
    and answered.server = again.server
    and answered.last_refused = again.last_refused
order by answered.organization, answered.connector_id, answered.refused desc, answered.server, answered.first_refused
