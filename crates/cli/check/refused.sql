-- What Exchange Online answered to mail that it turned away: one row per connector, server and answer, with its first
-- and last reply, and the first proved relay after that. Answers that are not about attribution (see `external_mail`)
-- count from the first hour on in which they are as many as open an incident, and a fifth of all recipients; those that
-- are the recipients' own affair do not count. `title`: what such an answer means.
with hourly as (
    select
        *,
        date_trunc('hour', at) as hour,
        count(at) over of_hour as failures,
        sum(refused) over of_hour as failed
    from external_mail
    where family is not null and family not in ('tls', 'recipient_side')
    window of_hour as (partition by organization, connector_id, server, family, date_trunc('hour', at))
),

relayed as (
    select
        organization,
        connector_id,
        server,
        hour,
        sum(accepted) as accepted
    from observed
    where kind = 'route'
    group by organization, connector_id, server, hour
),

weighed as (
    select
        hourly.*,
        min(
            case
                when
                    hourly.family = 'attribution'
                    or hourly.failures >= setting('relaydrift.incident_transactions')
                    and 100 * hourly.failed
                    >= setting('relaydrift.incident_percent') * (hourly.failed + coalesce(relayed.accepted, 0))
                    then hourly.hour
            end
        ) over (partition by hourly.organization, hourly.connector_id, hourly.server, hourly.family) as since
    from hourly
    left join relayed
        on hourly.organization = relayed.organization
        and hourly.connector_id = relayed.connector_id
        and hourly.server = relayed.server
        and hourly.hour = relayed.hour
),

turned as (
    select *
    from weighed
    where hour >= since
),

answered as (
    select
        turned.organization,
        turned.connector_id,
        turned.server,
        turned.family,
        turned.reply_code as code,
        turned.enhanced_code as enhanced,
        turned.attr_code as attr,
        first_value(
            coalesce(smtp_reply_text(turned.reply_text), turned.reply_text)
            order by turned.at, turned.session_id, turned.line
        ) as text,
        sum(turned.refused) as refused,
        count(*) as transactions,
        count(distinct turned.session_id) as sessions,
        min(turned.at) as first_refused,
        max(turned.at) as last_refused,
        first_value(files.path order by turned.at, turned.session_id, turned.line) as first_path,
        first_value(turned.line order by turned.at, turned.session_id, turned.line) as first_line,
        last_value(files.path order by turned.at, turned.session_id, turned.line) as last_path,
        last_value(turned.line order by turned.at, turned.session_id, turned.line) as last_line
    from turned
    left join (select source_id, min(path) as path from sources group by source_id) as files
        on turned.source_id = files.source_id
    group by
        turned.organization,
        turned.connector_id,
        turned.server,
        turned.family,
        turned.reply_code,
        turned.enhanced_code,
        turned.attr_code
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
