-- One hole or repeat in the sequence numbers of a session, as in sequence_holes, and what explains it. `explanation`
-- (null: nothing that is known here explains it):
--   open             the session may go on
--   unreadable_line  a line that could not be read stands where the rows are missing
--   restart          the service began anew within the hour
--   logs_begin       the row stands in the first log that was read of this service of the server
--   logs_end         the row stands in the last
--   log_missing      a log between was not read: an hour without rows, or a number left out in the names of logs
--   log_deleted      the log was deleted before it was read to its end, while it was followed
--   read_again       the log was written anew from its start, or is there twice under one name
--   copy             another log of the server holds the same row
-- `rows` are missing, or repeated; null where nobody can tell how many. The row before stands in
-- `before_path`:`before_line`, the row after in `after_path`:`after_line`.
-- Grain: a hole. Reads: sequence_holes, sessions, sources, rejects, coverage.
with files as (
    select
        organization,
        server,
        service,
        source_id,
        max(path) as path,
        min(first_time) as first_time,
        max(last_time) as last_time,
        coalesce(bool_or(array_has(flags, 'gap')), false) as deleted,
        -- SEND2026100510-2.LOG: the second of its hour.
        max(regexp_match(path, 'SEND([0-9]{8,10})-([0-9]+)[^/\\]*$', 'i')[1]) as stamp,
        max(try_cast(regexp_match(path, 'SEND([0-9]{8,10})-([0-9]+)[^/\\]*$', 'i')[2] as bigint)) as instance
    from sources
    group by organization, server, service, source_id
),

edges as (
    select
        organization,
        server,
        service,
        min(first_time) as first_time,
        max(last_time) as last_time
    from files
    group by organization, server, service
),

-- Logs that were not the first of their hour or day, and the one before was not read.
left_out as (
    select files.source_id
    from files
    left join files as earlier
        on files.organization = earlier.organization
        and files.server = earlier.server
        and files.service = earlier.service
        and files.stamp = earlier.stamp
        and files.instance = earlier.instance + 1
    where files.instance > 1 and earlier.source_id is null
),

-- An hour before or after which rows of a session may be missing because nothing was read.
unread as (
    select
        organization,
        server,
        service,
        hour
    from coverage
    where state = 'no logs'
),

-- Session ids count on from the time at which the service started, in ticks.
newest_ids as (
    select
        organization,
        server,
        service,
        date_trunc('hour', start_time) as hour,
        max(session_id) as session_id
    from sessions
    where length(session_id) = 16
    group by organization, server, service, date_trunc('hour', start_time)
),

unreadable as (
    select holes.hole
    from sequence_holes as holes
    inner join rejects on holes.before_source_id = rejects.source_id
    where
        holes.kind in ('hole', 'tail')
        and rejects.line > holes.before_line
        and ((holes.after_source_id is distinct from holes.before_source_id) or rejects.line < holes.after_line)
    union
    select holes.hole
    from sequence_holes as holes
    inner join rejects on holes.after_source_id = rejects.source_id
    where
        holes.kind in ('hole', 'head')
        and rejects.line < holes.after_line
        and (holes.after_source_id is distinct from holes.before_source_id)
),

-- The hours in which the missing rows were written, as far as one can tell.
placed as (
    select
        hole,
        organization,
        server,
        service,
        kind,
        before_time,
        date_trunc('hour', coalesce(before_time, after_time - interval '1 hour')) as from_hour,
        date_trunc('hour', coalesce(after_time, before_time + interval '1 hour')) as to_hour
    from sequence_holes
    where kind in ('hole', 'head', 'tail')
),

hours_missing as (
    select distinct placed.hole
    from placed
    inner join unread
        on placed.organization = unread.organization
        and placed.server = unread.server
        and placed.service = unread.service
    where unread.hour >= placed.from_hour and unread.hour <= placed.to_hour
),

restarted as (
    select distinct placed.hole
    from placed
    inner join newest_ids
        on placed.organization = newest_ids.organization
        and placed.server = newest_ids.server
        and placed.service = newest_ids.service
    where
        placed.kind = 'tail'
        and newest_ids.hour >= placed.from_hour
        and newest_ids.hour <= placed.to_hour
        and newest_ids.session_id
        > upper(lpad(to_hex(cast(placed.before_time as bigint) * 10 + 621355968000000000), 16, '0'))
)

select
    holes.organization,
    holes.server,
    holes.service,
    holes.session_id,
    holes.kind,
    holes.first_sequence,
    holes.last_sequence,
    holes.last_sequence - holes.first_sequence + 1 as rows,
    case
        when holes.kind = 'repeat' and holes.before_source_id = holes.after_source_id then 'read_again'
        when holes.kind = 'repeat' then 'copy'
        when holes.kind = 'conflict' then null
        when holes.kind = 'tail' and holes.open then 'open'
        when holes.kind = 'head' and after_file.first_time = edges.first_time then 'logs_begin'
        when unreadable.hole is not null then 'unreadable_line'
        when holes.kind in ('hole', 'tail') and before_file.deleted then 'log_deleted'
        when restarted.hole is not null then 'restart'
        when holes.kind = 'tail' and before_file.last_time = edges.last_time then 'logs_end'
        when hours_missing.hole is not null then 'log_missing'
        when
            left_out.source_id is not null
            and (holes.before_source_id is distinct from holes.after_source_id)
            then 'log_missing'
    end as explanation,
    before_file.path as before_path,
    holes.before_line,
    holes.before_time,
    after_file.path as after_path,
    holes.after_line,
    holes.after_time
from sequence_holes as holes
left join unreadable on holes.hole = unreadable.hole
left join hours_missing on holes.hole = hours_missing.hole
left join restarted on holes.hole = restarted.hole
left join files as before_file on holes.before_source_id = before_file.source_id
left join files as after_file on holes.after_source_id = after_file.source_id
left join left_out on holes.after_source_id = left_out.source_id
left join edges
    on holes.organization = edges.organization
    and holes.server = edges.server
    and holes.service = edges.service
