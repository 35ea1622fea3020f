-- Ranges of logs that go on where no earlier range ended: bytes between were never taken in, or twice.
-- Grain: batch, source_id, from_offset. Reads: sources.
select distinct
    here.batch,
    here.source_id,
    here.path,
    here.from_offset
from sources as here
left join sources as earlier
    on here.source_id = earlier.source_id
    and here.from_offset = earlier.to_offset
    and earlier.batch < here.batch
where here.from_offset > 0 and earlier.source_id is null
order by here.batch, here.path, here.from_offset
