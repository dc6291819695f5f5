-- How long each step takes: from an event to each event that answers it, milliseconds by the services' clocks.
CREATE OR REPLACE MACRO hop(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT c.type AS cause, e.type AS answer, e.service, count(*) AS events,
    round(quantile_cont(epoch_us(e.happened_at) - epoch_us(c.happened_at), 0.5) / 1000, 3) AS p50_ms,
    round(quantile_cont(epoch_us(e.happened_at) - epoch_us(c.happened_at), 0.95) / 1000, 3) AS p95_ms,
    round(max(epoch_us(e.happened_at) - epoch_us(c.happened_at)) / 1000, 3) AS max_ms
FROM event e JOIN event c ON e.cause = c.id
WHERE e.position <= as_of AND c.position < e.position
GROUP BY ALL;
CREATE OR REPLACE VIEW hop AS FROM hop();
