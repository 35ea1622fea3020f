-- One incident: mail of a connector on a server that Exchange Online turned away for one family of reasons
-- (see `failed_mail`), from the first refusal to the last, with what the refused mail had in common.
-- It opens at three such transactions in two or more sessions that are a fifth of the server's external
-- transactions within 15 minutes (where there are fewer than three: all of them, for want of attribution). Refusals belong together until
-- two hours without one, with three proved relays in them, lie between.
-- Recipients that their own side does not know make one where they lie in one domain (`about`).
-- state, at the latest row of the data: `open`; `recovering` (mail is relayed again, but for less than an hour or
-- fewer than three times); `closed`; `historic` (closed for more than a week). The numbers are settings.
-- `first`: the first refused transaction. `messages`: what bounced and must be sent again.
-- incident: a number for joins. null_senders: transactions without a sender (reports, out-of-office replies).
-- Grain: incident. Reads: failed_mail, relayed_mail, relay_domains, present.
-- Others of its recipients, outside the tenant, were accepted: such a failure is a proof as well.
with proving as (
    select distinct
        reached.organization,
        reached.server,
        reached.service,
        reached.session_id,
        reached.ordinal
    from (
        select organization, connector_id, server, service, session_id, ordinal, unnest(accepted_domains) as domain
        from failed_mail
    ) as reached
    inner join relay_domains
        on reached.organization = relay_domains.organization
        and reached.connector_id = relay_domains.connector_id
        and reached.domain = relay_domains.domain
    where relay_domains.outside
),

failed as (
    select
        mail.organization,
        mail.connector_id,
        mail.server,
        mail.family,
        mail.about,
        mail.at,
        mail.service,
        mail.session_id,
        mail.ordinal,
        proving.session_id is not null as proves,
        lag(mail.at) over of_session as session_before,
        lead(mail.at) over of_session as session_after
    from failed_mail as mail
    left join proving
        on mail.organization = proving.organization
        and mail.server = proving.server
        and mail.service = proving.service
        and mail.session_id = proving.session_id
        and mail.ordinal = proving.ordinal
    window of_session as (
        partition by mail.organization, mail.connector_id, mail.server, mail.family, mail.about, mail.session_id
        order by mail.at, mail.ordinal
    )
),

-- Each transaction comes into the window at its time and leaves it 15 minutes later; a session is in it from its
-- first refusal there to 15 minutes after its last.
failing as (
    select
        organization,
        connector_id,
        server,
        family,
        about,
        at,
        service,
        session_id,
        ordinal,
        step,
        sum(step) over of_family as failed_lately,
        sum(session_step) over of_family as sessions_lately,
        sum(case when proves then 0 else step end) over (
            partition by organization, connector_id, server
            order by at
            range between unbounded preceding and current row
        ) as only_failed_lately
    from (
        select
            organization,
            connector_id,
            server,
            family,
            about,
            at,
            service,
            session_id,
            ordinal,
            proves,
            1 as step,
            case
                when coalesce(session_before + setting('relaydrift.incident_window_minutes') <= at, true) then 1
                else 0
            end as session_step
        from failed
        union all
        select
            organization,
            connector_id,
            server,
            family,
            about,
            at + setting('relaydrift.incident_window_minutes') as at,
            service,
            session_id,
            ordinal,
            proves,
            -1 as step,
            case
                when coalesce(session_after >= at + setting('relaydrift.incident_window_minutes'), true) then -1
                else 0
            end as session_step
        from failed
    )
    window of_family as (
        partition by organization, connector_id, server, family, about
        order by at
        range between unbounded preceding and current row
    )
),

-- The proofs around each failure; `gone`: of those that left the window, 15 minutes after they came.
proofs as (
    select
        organization,
        connector_id,
        server,
        unnest(around(asked, proved)) as near,
        unnest(around(asked, proved + setting('relaydrift.incident_window_minutes'))) as gone
    from (
        select organization, connector_id, server, null as asked, at as proved
        from (
            select distinct organization, connector_id, server, service, session_id, ordinal, at
            from relayed_mail
        )
        union all
        select organization, connector_id, server, at as asked, null as proved
        from failed_mail
    )
    group by organization, connector_id, server
),

weighed as (
    select
        failing.organization,
        failing.connector_id,
        failing.server,
        failing.family,
        failing.about,
        failing.at,
        failing.service,
        failing.session_id,
        failing.ordinal,
        failing.failed_lately,
        failing.sessions_lately,
        failing.only_failed_lately + near['until'] - gone['until'] as tried_lately,
        near['until'] as proved_until,
        near['after'] as proved_after,
        near['next'] as proved_next,
        near['last'] as proved_last
    from failing
    inner join proofs
        on failing.organization = proofs.organization
        and failing.connector_id = proofs.connector_id
        and failing.server = proofs.server
        and failing.at = near['at']
    where failing.step = 1
),

failures as (
    select
        organization,
        connector_id,
        server,
        family,
        about,
        at,
        service,
        session_id,
        ordinal,
        proved_after,
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
    window by_time as (
        partition by organization, connector_id, server, family, about order by at, session_id, ordinal
    )
),

numbered as (
    select
        organization,
        connector_id,
        server,
        family,
        about,
        at,
        service,
        session_id,
        ordinal,
        opens,
        proved_after,
        proved_last,
        proved_next,
        sum(begins) over (
            partition by organization, connector_id, server, family, about order by at, session_id, ordinal
        ) as number
    from failures
),

-- Most failures make no incident: only those that do are looked at as a whole.
opened as (
    select
        organization,
        connector_id,
        server,
        at,
        service,
        session_id,
        ordinal,
        proved_after,
        proved_last,
        proved_next,
        number,
        bool_or(opens) over (partition by organization, connector_id, server, family, about, number) as opens
    from numbered
),

gathered as (
    select
        mail.organization,
        mail.connector_id,
        mail.role,
        mail.server,
        mail.family,
        min(mail.at) as first_refused,
        max(mail.at) as last_refused,
        count(distinct mail.session_id) as sessions,
        count(mail.at) as transactions,
        sum(mail.refused) as refused,
        count(
            distinct case
                when mail.reply_code >= 500
                    then coalesce(mail.message_id, concat(mail.session_id, ' ', cast(mail.ordinal as varchar)))
            end
        ) as messages,
        first_value(
            named_struct(
                'at', mail.at, 'service', mail.service, 'session_id', mail.session_id, 'ordinal', mail.ordinal,
                'source_id', mail.source_id, 'line', mail.line, 'message_id', mail.message_id,
                'sender_domain', mail.sender_domain, 'refused', mail.refused, 'refused_domains', mail.refused_domains,
                'code', mail.reply_code, 'enhanced', mail.enhanced_code, 'attr', mail.attr_code,
                'text', mail.reply_text, 'thumbprint', mail.thumbprint, 'egress_ip', mail.egress_ip
            )
            order by mail.at, mail.session_id, mail.ordinal
        ) as first,
        first_value(opened.proved_last order by mail.at, mail.session_id, mail.ordinal) as last_good,
        last_value(opened.proved_next order by mail.at, mail.session_id, mail.ordinal) as relayed_again,
        last_value(opened.proved_after order by mail.at, mail.session_id, mail.ordinal) as relayed_after,
        array_sort(
            array_agg(distinct concat_ws(' ', cast(mail.reply_code as varchar), mail.enhanced_code, mail.attr_code))
        ) as codes,
        array_sort(
            coalesce(
                array_agg(distinct case mail.sender_domain when '' then '<>' else mail.sender_domain end)
                filter (where mail.sender_domain is not null),
                []
            )
        ) as sender_domains,
        sum(case when mail.sender_domain = '' then 1 else 0 end) as null_senders,
        array_sort(array_distinct(flatten(array_agg(mail.refused_domains)))) as recipient_domains,
        array_sort(array_agg(distinct mail.thumbprint)) as thumbprints,
        array_sort(array_agg(distinct mail.egress_ip)) as egress_ips
    from opened
    inner join failed_mail as mail
        on opened.organization = mail.organization
        and opened.server = mail.server
        and opened.service = mail.service
        and opened.session_id = mail.session_id
        and opened.ordinal = mail.ordinal
    where opened.opens
    group by
        mail.organization, mail.connector_id, mail.role, mail.server, mail.family, mail.about, opened.number
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
