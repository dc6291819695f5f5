-- How long each step takes: from an event to each event that answers it, milliseconds by the services' clocks.
CREATE OR REPLACE MACRO hop(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT cause_type AS cause, type AS answer, service, count(*) AS events,
    round(quantile_cont(hop_us, 0.5) / 1000, 3) AS p50_ms, round(quantile_cont(hop_us, 0.95) / 1000, 3) AS p95_ms,
    round(max(hop_us) / 1000, 3) AS max_ms
FROM typed
WHERE position <= as_of AND cause_type IS NOT NULL
GROUP BY ALL;
CREATE OR REPLACE VIEW hop AS FROM hop();
