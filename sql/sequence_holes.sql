-- One hole or repeat in the sequence numbers of a session, with the rows before and after it. A session numbers its
-- rows from 0 by 1; a sequence that restarts at 0 under the same id is no hole. `kind`:
--   hole      numbers between two rows are missing: first_sequence to last_sequence
--   head      the session's first rows are missing
--   tail      the session was connected and has no row that ends it: from first_sequence on
--   repeat    the row was read already: from the same place in the log, or from another log
--   conflict  the number was used already, by a row with other content
-- `open`: the session may go on. Only events of sessions that are not whole, or whose id occurs twice, are looked at.
-- Grain: a hole, numbered. Reads: sessions, events.
with flagged as (
    select
        organization,
        server,
        service,
        session_id,
        bool_or(open) as open,
        bool_or(array_has(flags, 'cut_tail') and outcome <> 'connect_failed') as tail
    from sessions
    where session_id <> ''
    group by organization, server, service, session_id
    having
        count(*) > 1
        or bool_or(
            sequence_gaps > 0
            or array_has(flags, 'cut_head')
            or array_has(flags, 'sequence_repeated')
            or array_has(flags, 'cut_tail') and outcome <> 'connect_failed'
        )
),

copies as (
    select
        events.organization,
        events.server,
        events.service,
        events.session_id,
        events.sequence,
        events.event_time,
        events.event,
        events.source_id,
        events.line,
        flagged.open,
        flagged.tail,
        row_number() over same as copy,
        lag(events.source_id) over same as copied_source_id,
        lag(events.line) over same as copied_line,
        lag(events.event_time) over same as copied_time
    from events
    inner join flagged
        on events.organization = flagged.organization
        and events.server = flagged.server
        and events.service = flagged.service
        and events.session_id = flagged.session_id
    window same as (
        partition by
            events.organization, events.server, events.service, events.session_id,
            events.sequence, events.event_time, events.event, events.data, events.context
        order by events.batch, events.source_id, events.line
    )
),

counted as (
    select
        organization,
        server,
        service,
        session_id,
        sequence,
        event_time,
        event,
        source_id,
        line,
        open,
        tail,
        count(*) over (partition by organization, server, service, session_id, sequence) as uses
    from copies
    where copy = 1
),

-- By number, unless numbers occur twice (the sequence restarted, or the id was used again): then by time first.
arranged as (
    select
        organization,
        server,
        service,
        session_id,
        sequence,
        event_time,
        event,
        source_id,
        line,
        open,
        tail,
        max(uses) over (partition by organization, server, service, session_id) > 1 as reused
    from counted
),

steps as (
    select
        organization,
        server,
        service,
        session_id,
        sequence,
        event_time,
        event,
        source_id,
        line,
        open,
        tail,
        lag(sequence) over written as before_sequence,
        lag(event) over written as before_event,
        lag(source_id) over written as before_source_id,
        lag(line) over written as before_line,
        lag(event_time) over written as before_time,
        lead(sequence) over written as after_sequence
    from arranged
    window written as (
        partition by organization, server, service, session_id
        order by case when reused then event_time end, sequence, event_time, line
    )
),

found as (
    select
        organization,
        server,
        service,
        session_id,
        case
            when before_sequence is null or before_event = '-' then 'head'
            when sequence > before_sequence then 'hole'
            else 'conflict'
        end as kind,
        case
            when before_sequence is null or before_event = '-' then 0
            when sequence > before_sequence then before_sequence + 1
            else sequence
        end as first_sequence,
        case
            when before_sequence is null or before_event = '-' or sequence > before_sequence then sequence - 1
            else sequence
        end as last_sequence,
        open,
        case when before_event is distinct from '-' then before_source_id end as before_source_id,
        case when before_event is distinct from '-' then before_line end as before_line,
        case when before_event is distinct from '-' then before_time end as before_time,
        source_id as after_source_id,
        line as after_line,
        event_time as after_time
    from steps
    where
        sequence <> 0
        and (before_sequence is null or before_event = '-' or sequence <> before_sequence + 1)
    union all
    select
        organization,
        server,
        service,
        session_id,
        'tail' as kind,
        sequence + 1 as first_sequence,
        null as last_sequence,
        open,
        source_id as before_source_id,
        line as before_line,
        event_time as before_time,
        null as after_source_id,
        null as after_line,
        null as after_time
    from steps
    where after_sequence is null and event <> '-' and tail
    union all
    select
        organization,
        server,
        service,
        session_id,
        'repeat' as kind,
        sequence as first_sequence,
        sequence as last_sequence,
        open,
        copied_source_id as before_source_id,
        copied_line as before_line,
        copied_time as before_time,
        source_id as after_source_id,
        line as after_line,
        event_time as after_time
    from copies
    where copy > 1
)

select
    row_number() over (
        order by
            organization, server, service, session_id, kind, first_sequence,
            before_source_id, before_line, after_source_id, after_line
    ) as hole,
    organization,
    server,
    service,
    session_id,
    kind,
    first_sequence,
    last_sequence,
    open,
    before_source_id,
    before_line,
    before_time,
    after_source_id,
    after_line,
    after_time
from found
