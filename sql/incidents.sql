-- One incident: mail of a connector on a server that Exchange Online turned away for one family of reasons
-- (see `external_mail`), from the first refusal to the last, with what the refused mail had in common.
-- It opens at three such transactions in two or more sessions that are a fifth of the server's external
-- transactions within 15 minutes (where there are fewer than three: all of them, for want of attribution). Refusals belong together until
-- two hours without one, with three proved relays in them, lie between.
-- Recipients that their own side does not know make one where they lie in one domain (`about`).
-- state, at the latest row of the data: `open`; `recovering` (mail is relayed again, but for less than an hour or
-- fewer than three times); `closed`; `historic` (closed for more than a week). The numbers are settings.
-- `first`: the first refused transaction. `messages`: what bounced and must be sent again.
-- incident: a number for joins. null_senders: transactions without a sender (reports, out-of-office replies).
-- Grain: incident. Reads: external_mail, present.
with told as (
    select
        organization,
        connector_id,
        role,
        server,
        family,
        about,
        at,
        session_id,
        ordinal,
        -- Only failures are told of; the many others are counted, and sorted without it.
        case when family is not null then named_struct(
            'at', at, 'service', service, 'session_id', session_id, 'ordinal', ordinal, 'source_id', source_id, 'line', line,
            'message_id', message_id, 'sender_domain', sender_domain, 'refused', refused,
            'refused_domains', refused_domains, 'code', reply_code, 'enhanced', enhanced_code, 'attr', attr_code,
            'text', reply_text, 'thumbprint', thumbprint, 'egress_ip', egress_ip
        ) end as mail,
        lag(at) over of_session as session_before,
        lead(at) over of_session as session_after,
        sum(case when proves then 1 else 0 end) over (
            partition by organization, connector_id, server
            order by at
            range between unbounded preceding and current row
        ) as proved_until,
        sum(case when proves then 1 else 0 end) over (partition by organization, connector_id, server) as proved_ever,
        max(case when proves then at end) over (
            partition by organization, connector_id, server
            order by at, session_id, ordinal
            rows between unbounded preceding and 1 preceding
        ) as proved_last,
        min(case when proves then at end) over (
            partition by organization, connector_id, server
            order by at, session_id, ordinal
            rows between 1 following and unbounded following
        ) as proved_next
    from external_mail
    window of_session as (
        partition by organization, connector_id, server, family, about, session_id order by at, ordinal
    )
),

-- Each transaction comes into the window at its time and leaves it 15 minutes later; a session is in it from its
-- first refusal there to 15 minutes after its last.
points as (
    select
        organization,
        connector_id,
        role,
        server,
        family,
        about,
        at,
        session_id,
        ordinal,
        mail,
        proved_ever,
        proved_until,
        proved_last,
        proved_next,
        1 as step,
        case
            when coalesce(session_before + setting('relaydrift.incident_window_minutes') <= at, true) then 1
            else 0
        end as session_step
    from told
    union all
    select
        organization,
        connector_id,
        role,
        server,
        family,
        about,
        at + setting('relaydrift.incident_window_minutes') as at,
        session_id,
        ordinal,
        null as mail,
        null as proved_ever,
        null as proved_until,
        null as proved_last,
        null as proved_next,
        -1 as step,
        case
            when coalesce(session_after >= at + setting('relaydrift.incident_window_minutes'), true) then -1
            else 0
        end as session_step
    from told
),

weighed as (
    select
        organization,
        connector_id,
        role,
        server,
        family,
        about,
        at,
        session_id,
        ordinal,
        mail,
        proved_ever,
        proved_until,
        proved_last,
        proved_next,
        step,
        sum(step) over of_family as failed_lately,
        sum(session_step) over of_family as sessions_lately,
        sum(step) over (
            partition by organization, connector_id, server
            order by at
            range between unbounded preceding and current row
        ) as tried_lately
    from points
    window of_family as (
        partition by organization, connector_id, server, family, about
        order by at
        range between unbounded preceding and current row
    )
),

failures as (
    select
        organization,
        connector_id,
        role,
        server,
        family,
        about,
        at,
        session_id,
        ordinal,
        mail,
        proved_ever - proved_until as proved_after,
        proved_last,
        proved_next,
        case
            when family = 'attribution' and tried_lately < setting('relaydrift.incident_transactions')
                then failed_lately = tried_lately
            else
                failed_lately >= setting('relaydrift.incident_transactions')
                and sessions_lately >= setting('relaydrift.incident_sessions')
                and 100 * failed_lately >= setting('relaydrift.incident_percent') * tried_lately
        end as opens,
        case
            when
                at >= lag(at) over by_time + setting('relaydrift.incident_merge_hours')
                and proved_until >= lag(proved_until) over by_time + setting('relaydrift.incident_close_relays')
                then 1
            else 0
        end as begins
    from weighed
    where family is not null and step = 1
    window by_time as (
        partition by organization, connector_id, server, family, about order by at, session_id, ordinal
    )
),

numbered as (
    select
        organization,
        connector_id,
        role,
        server,
        family,
        about,
        at,
        session_id,
        ordinal,
        mail,
        opens,
        proved_after,
        proved_last,
        proved_next,
        sum(begins) over (
            partition by organization, connector_id, server, family, about order by at, session_id, ordinal
        ) as number
    from failures
),

gathered as (
    select
        organization,
        connector_id,
        role,
        server,
        family,
        min(at) as first_refused,
        max(at) as last_refused,
        count(distinct session_id) as sessions,
        count(at) as transactions,
        sum(mail['refused']) as refused,
        count(
            distinct case
                when mail['code'] >= 500 then coalesce(mail['message_id'], concat(session_id, ' ', cast(ordinal as varchar)))
            end
        ) as messages,
        first_value(mail order by at, session_id, ordinal) as first,
        first_value(proved_last order by at, session_id, ordinal) as last_good,
        last_value(proved_next order by at, session_id, ordinal) as relayed_again,
        last_value(proved_after order by at, session_id, ordinal) as relayed_after,
        array_sort(array_agg(distinct concat_ws(' ', cast(mail['code'] as varchar), mail['enhanced'], mail['attr']))) as codes,
        array_sort(
            coalesce(
                array_agg(distinct case mail['sender_domain'] when '' then '<>' else mail['sender_domain'] end)
                filter (where mail['sender_domain'] is not null),
                []
            )
        ) as sender_domains,
        sum(case when mail['sender_domain'] = '' then 1 else 0 end) as null_senders,
        array_sort(array_distinct(flatten(array_agg(mail['refused_domains'])))) as recipient_domains,
        array_sort(array_agg(distinct mail['thumbprint'])) as thumbprints,
        array_sort(array_agg(distinct mail['egress_ip'])) as egress_ips
    from numbered
    group by organization, connector_id, role, server, family, about, number
    having bool_or(opens)
)

select
    row_number() over (
        order by
            gathered.organization,
            gathered.connector_id,
            gathered.server,
            gathered.first_refused,
            gathered.first['session_id'],
            gathered.first['ordinal'],
            gathered.family
    ) as incident,
    gathered.organization,
    gathered.connector_id,
    gathered.role,
    gathered.server,
    gathered.family,
    case
        when gathered.relayed_again is null then 'open'
        when
            gathered.relayed_after < setting('relaydrift.incident_close_relays')
            or present.now < gathered.last_refused + setting('relaydrift.incident_close_minutes')
            or present.now < gathered.relayed_again + setting('relaydrift.incident_recovering_minutes')
            then 'recovering'
        when present.now < gathered.relayed_again + setting('relaydrift.incident_historic_days') then 'closed'
        else 'historic'
    end as state,
    gathered.first_refused,
    gathered.last_refused,
    gathered.last_good,
    gathered.relayed_again,
    gathered.sessions,
    gathered.transactions,
    gathered.refused,
    gathered.messages,
    gathered.codes,
    gathered.sender_domains,
    gathered.null_senders,
    gathered.recipient_domains,
    gathered.thumbprints,
    gathered.egress_ips,
    gathered.first
from gathered
inner join present on gathered.organization = present.organization
