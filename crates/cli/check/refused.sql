-- What Exchange Online answered: one row per connector, server, front end that the mail went through and answer,
-- with its first and last reply, and the first proved relay after that. `shown_by`, `shown_as`: the server and the
-- connector that showed certificate and address.
with placed as (
    select
        refusals.*,
        coalesce(front_ends.server, refusals.server) as shown_by,
        coalesce(front_ends.connector_id, refusals.connector_id) as shown_as
    from refusals
    left join front_ends
        on refusals.organization = front_ends.organization
        and refusals.session_id = front_ends.hub_session_id
    where refusals.role in ('cloud_hybrid', 'cloud_relay')
),

answered as (
    select
        placed.organization,
        placed.connector_id,
        placed.server,
        placed.shown_by,
        placed.shown_as,
        placed.code,
        placed.enhanced,
        placed.attr,
        first_value(
            coalesce(smtp_reply_text(placed.text), placed.text)
            order by placed.found_at, placed.session_id, placed.line
        ) as text,
        sum(placed.refused) as refused,
        count(*) as transactions,
        count(distinct placed.session_id) as sessions,
        min(placed.found_at) as first_refused,
        max(placed.found_at) as last_refused,
        first_value(files.path order by placed.found_at, placed.session_id, placed.line) as first_path,
        first_value(placed.line order by placed.found_at, placed.session_id, placed.line) as first_line,
        last_value(files.path order by placed.found_at, placed.session_id, placed.line) as last_path,
        last_value(placed.line order by placed.found_at, placed.session_id, placed.line) as last_line
    from placed
    left join (select source_id, min(path) as path from sources group by source_id) as files
        on placed.source_id = files.source_id
    group by
        placed.organization,
        placed.connector_id,
        placed.server,
        placed.shown_by,
        placed.shown_as,
        placed.code,
        placed.enhanced,
        placed.attr
),

again as (
    select
        answered.organization,
        answered.shown_as,
        answered.shown_by,
        answered.last_refused,
        min(proved_relays.at) as relayed_again
    from answered
    inner join proved_relays
        on answered.organization = proved_relays.organization
        and answered.shown_as = proved_relays.connector_id
        and answered.shown_by = proved_relays.server
        and answered.last_refused < proved_relays.at
    group by answered.organization, answered.shown_as, answered.shown_by, answered.last_refused
)

select
    answered.*,
    again.relayed_again
from answered
left join again
    on answered.organization = again.organization
    and answered.shown_as = again.shown_as
    and answered.shown_by = again.shown_by
    and answered.last_refused = again.last_refused
order by answered.organization, answered.connector_id, answered.refused desc, answered.server, answered.shown_by
