-- Ranges of logs of which the lake holds other rows than its ledger says, and ranges whose bytes do not add up.
-- `rejects_due` counts the rows of `rejects` that are kept, and the one that counts those left out.
-- Grain: batch, source_id. Reads: sources, events, rejects.
with ledger as (
    select
        batch,
        source_id,
        max(path) as path,
        sum(rows) as rows_due,
        sum(case when rejects > 10000 then 10001 else rejects end) as rejects_due,
        sum(to_offset - from_offset) as bytes_due,
        sum(header_bytes + event_bytes + reject_bytes + blank_bytes) as bytes
    from sources
    group by batch, source_id
),

held as (
    select
        batch,
        source_id,
        sum(events) as rows,
        sum(rejects) as rejects
    from (
        select
            batch,
            source_id,
            count(*) as events,
            0 as rejects
        from events
        group by batch, source_id
        union all
        select
            batch,
            source_id,
            0 as events,
            count(*) as rejects
        from rejects
        group by batch, source_id
    )
    group by batch, source_id
)

select
    coalesce(ledger.batch, held.batch) as batch,
    coalesce(ledger.source_id, held.source_id) as source_id,
    ledger.path,
    coalesce(ledger.rows_due, 0) as rows_due,
    coalesce(held.rows, 0) as rows,
    coalesce(ledger.rejects_due, 0) as rejects_due,
    coalesce(held.rejects, 0) as rejects,
    coalesce(ledger.bytes_due, 0) as bytes_due,
    coalesce(ledger.bytes, 0) as bytes
from ledger
full join held
    on ledger.batch = held.batch
    and ledger.source_id = held.source_id
where
    coalesce(ledger.rows_due, 0) <> coalesce(held.rows, 0)
    or coalesce(ledger.rejects_due, 0) <> coalesce(held.rejects, 0)
    or coalesce(ledger.bytes_due, 0) <> coalesce(ledger.bytes, 0)
order by batch, path, source_id
