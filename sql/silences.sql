-- One silence: the time in which a connector on a server, of any role, no longer reached Exchange Online although the
-- server still logged and no sibling took its mail over.
-- It lasts `silence_hours` or more, longer than the `silence_percentile` of the gaps that began in that hour of the
-- week in the `silence_weeks` before, and covers so many hours in which mail went out in three of four of those weeks.
-- Nights, weekends and the first week of logs are none. Expected is the mean of those weeks; `silence_sessions` or
-- more must have been expected. The server still logged: its other connectors wrote half of the expected rows or
-- more (on a holiday, in maintenance or drained they do not), or this one tried in vain. A sibling took over: the
-- other servers had as many sessions above what is expected of them as half of the sessions that are missing.
-- A silence without an end reaches to the newest row of the organization.
-- Grain: organization, connector_id, server, first_seen. Reads: cloud_hours, observations, logged_hours, present.
with sent as (
    select
        cloud_hours.organization,
        cloud_hours.connector_id,
        cloud_hours.server,
        to_unixtime(cloud_hours.hour) / 3600 as hour,
        cloud_hours.sessions,
        cloud_hours.last_seen as begins,
        coalesce(
            lead(cloud_hours.first_seen) over place, greatest(present.now, cloud_hours.last_seen)
        ) as ends,
        lead(cloud_hours.first_seen) over place is null as lasts,
        min(to_unixtime(cloud_hours.hour) / 3600) over (
            partition by cloud_hours.organization, cloud_hours.connector_id, cloud_hours.server
        ) as first_hour,
        cloud_hours.first_session_id as session_id
    from cloud_hours
    inner join present on cloud_hours.organization = present.organization
    window place as (
        partition by cloud_hours.organization, cloud_hours.connector_id, cloud_hours.server
        order by cloud_hours.hour
    )
),

-- Gaps of some length, each with the weeks before it that the logs reach back to.
gaps as (
    select
        organization,
        connector_id,
        server,
        hour,
        begins,
        ends,
        lasts,
        session_id,
        unnest(
            generate_series(
                1, least(setting('relaydrift.silence_weeks'), cast((hour - first_hour) / 168 as bigint))
            )
        ) as week
    from sent
    where ends >= begins + setting('relaydrift.silence_hours') and hour - first_hour >= 168
),

longer as (
    select
        gaps.organization,
        gaps.connector_id,
        gaps.server,
        gaps.hour,
        gaps.begins,
        gaps.ends,
        gaps.lasts,
        gaps.session_id,
        max(gaps.week) as weeks,
        percentile_cont(
            cast(to_unixtime(sent.ends) - to_unixtime(sent.begins) as double),
            setting('relaydrift.silence_percentile') / 100
        ) as usual_seconds
    from gaps
    left join sent
        on gaps.organization = sent.organization
        and gaps.connector_id = sent.connector_id
        and gaps.server = sent.server
        and gaps.hour - 168 * gaps.week = sent.hour
    group by
        gaps.organization,
        gaps.connector_id,
        gaps.server,
        gaps.hour,
        gaps.begins,
        gaps.ends,
        gaps.lasts,
        gaps.session_id
),

-- Every full hour of a silence, in its own week (0) and in those before.
hours as (
    select
        organization,
        connector_id,
        server,
        hour as silence,
        week,
        silent_hour,
        silent_hour - 168 * week as hour
    from (
        select
            organization,
            connector_id,
            server,
            hour,
            silent_hour,
            unnest(generate_series(0, weeks)) as week
        from (
            select
                organization,
                connector_id,
                server,
                hour,
                weeks,
                unnest(generate_series(hour + 1, to_unixtime(ends) / 3600 - 1)) as silent_hour
            from longer
            where
                usual_seconds is null
                or to_unixtime(ends) - to_unixtime(begins) > usual_seconds
        )
    )
),

-- What others did: the connector on all servers, and all connectors of the server.
whole_connector as (
    select
        organization,
        connector_id,
        hour,
        sum(sessions) as sessions
    from sent
    group by organization, connector_id, hour
),

written as (
    select
        organization,
        connector_id,
        server,
        to_unixtime(hour) / 3600 as hour,
        sum(case when kind = 'rows' then rows else 0 end) as rows,
        sum(case when kind = 'route' and value = 'unknown' then sessions else 0 end) as tries
    from observations
    where kind = 'rows' or kind = 'route' and value = 'unknown'
    group by organization, connector_id, server, hour
),

whole_server as (
    select
        organization,
        server,
        to_unixtime(hour) / 3600 as hour,
        sum(rows) as rows
    from logged_hours
    group by organization, server, hour
),

compared as (
    select
        hours.organization,
        hours.connector_id,
        hours.server,
        hours.silence,
        hours.silent_hour,
        hours.week,
        coalesce(sent.sessions, 0) as sessions,
        coalesce(whole_connector.sessions, 0) - coalesce(sent.sessions, 0) as sibling_sessions,
        coalesce(whole_server.rows, 0) - coalesce(written.rows, 0) as other_rows,
        coalesce(written.tries, 0) as tries
    from hours
    left join sent
        on hours.organization = sent.organization
        and hours.connector_id = sent.connector_id
        and hours.server = sent.server
        and hours.hour = sent.hour
    left join whole_connector
        on hours.organization = whole_connector.organization
        and hours.connector_id = whole_connector.connector_id
        and hours.hour = whole_connector.hour
    left join written
        on hours.organization = written.organization
        and hours.connector_id = written.connector_id
        and hours.server = written.server
        and hours.hour = written.hour
    left join whole_server
        on hours.organization = whole_server.organization
        and hours.server = whole_server.server
        and hours.hour = whole_server.hour
),

by_hour as (
    select
        organization,
        connector_id,
        server,
        silence,
        silent_hour,
        max(week) as weeks,
        sum(sessions) as sessions,
        sum(case when sessions > 0 then 1 else 0 end) as busy_weeks,
        sum(case when week = 0 then sibling_sessions else 0 end) as siblings,
        sum(case when week > 0 then sibling_sessions else 0 end) as usual_siblings,
        sum(case when week = 0 then other_rows else 0 end) as others,
        sum(case when week > 0 then other_rows else 0 end) as usual_others,
        sum(case when week = 0 then tries else 0 end) as tries
    from compared
    group by organization, connector_id, server, silence, silent_hour
),

weighed as (
    select
        organization,
        connector_id,
        server,
        silence,
        cast(max(weeks) as double) as weeks,
        sum(case when 4 * busy_weeks >= 3 * weeks then 1 else 0 end) as busy_hours,
        cast(sum(sessions) as double) as sessions,
        sum(siblings) as siblings,
        sum(usual_siblings) as usual_siblings,
        sum(others) as others,
        sum(usual_others) as usual_others,
        sum(tries) as tries
    from by_hour
    group by organization, connector_id, server, silence
)

select
    longer.organization,
    longer.connector_id,
    longer.server,
    'silence' as class,
    setting('relaydrift.severity_silence') as severity,
    longer.begins + greatest(
        arrow_cast(cast(coalesce(longer.usual_seconds, 0.0) as bigint), 'Duration(Second)'),
        longer.begins + setting('relaydrift.silence_hours') - longer.begins
    ) as found_at,
    longer.begins as first_seen,
    longer.ends,
    longer.lasts,
    cast(round(weighed.sessions / weighed.weeks) as bigint) as expected_sessions,
    weighed.busy_hours,
    weighed.tries,
    longer.session_id,
    concat(
        'nothing was sent to Exchange Online from ', to_char(longer.begins, '%Y-%m-%d %H:%M'),
        case when longer.lasts then ' on, until the end of the logs' else to_char(longer.ends, ' to %Y-%m-%d %H:%M') end,
        ', where ', cast(round(weighed.sessions / weighed.weeks) as bigint), ' sessions were to be expected; ',
        case
            when weighed.tries > 0 then concat(weighed.tries, ' attempts reached no one')
            else 'the server logged other mail meanwhile'
        end
    ) as detail
from longer
inner join weighed
    on longer.organization = weighed.organization
    and longer.connector_id = weighed.connector_id
    and longer.server = weighed.server
    and longer.hour = weighed.silence
where
    longer.begins + arrow_cast(cast(weighed.busy_hours * 3600 as bigint), 'Duration(Second)')
    >= longer.begins + setting('relaydrift.silence_hours')
    and weighed.sessions / weighed.weeks >= setting('relaydrift.silence_sessions')
    and (
        weighed.tries > 0
        or weighed.usual_others > 0 and 2 * weighed.others * weighed.weeks >= weighed.usual_others
    )
    and 2 * (weighed.siblings * weighed.weeks - weighed.usual_siblings) < weighed.sessions
