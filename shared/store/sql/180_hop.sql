-- How long each step takes: from an event to each event that answers it, milliseconds by the services' clocks.
CREATE OR REPLACE MACRO hop(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH measured AS (
    SELECT cause_type AS cause, type AS answer, service, count(*) AS events, quantile_cont(hop_us, [0.5, 0.95, 1]) AS us
    FROM typed WHERE position <= as_of AND cause_type IS NOT NULL GROUP BY ALL
)
SELECT cause, answer, service, events, round(us[1] / 1000, 3) AS p50_ms, round(us[2] / 1000, 3) AS p95_ms,
    round(us[3] / 1000, 3) AS max_ms
FROM measured;
CREATE OR REPLACE VIEW hop AS FROM hop();
