-- What agents said about their work, one row a claim, with what the evidence says to it.
CREATE OR REPLACE MACRO claim(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH scored AS (
    SELECT position, project, task, happened_at, TRY_CAST(body.attempt AS BIGINT) AS attempt,
        TRY_CAST(body.run AS BIGINT) AS run, unnest(TRY_CAST(body.claims AS VARIANT[])) AS said
    FROM history(as_of := as_of) WHERE type = 'attempt.scored'
), older AS (  -- a contradiction from before claims stood in the score
    SELECT position, project, task, happened_at, TRY_CAST(body.attempt AS BIGINT) AS attempt,
        TRY_CAST(body.run AS BIGINT) AS run, body.claim::VARCHAR AS claim, body.evidence::VARCHAR AS evidence
    FROM history(as_of := as_of) WHERE type = 'claim.contradicted' AND coalesce(body.kind::VARCHAR, '') = ''
)
SELECT position, project, task, happened_at, attempt, run, said.kind::VARCHAR AS kind, said.text::VARCHAR AS claim,
    said.verdict::VARCHAR AS verdict, coalesce(said.evidence::VARCHAR, '') AS evidence
FROM scored
UNION ALL
SELECT position, project, task, happened_at, attempt, run, '', claim, 'contradicted', evidence FROM older;
CREATE OR REPLACE VIEW claim AS FROM claim();
