-- What agents said about their work, one row a claim, with what the evidence says to it.
CREATE OR REPLACE MACRO claim(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH scored AS (
    SELECT position, project, task, happened_at, body.attempt, body.run, unnest(body.claims) AS said
    FROM told(as_of := as_of) WHERE type = 'attempt.scored'
)
SELECT position, project, task, happened_at, attempt, run, said.kind, said.text AS claim, said.verdict,
    coalesce(said.evidence, '') AS evidence
FROM scored
UNION ALL  -- a contradiction from before claims stood in the score
SELECT position, project, task, happened_at, body.attempt, body.run, '', body.claim, 'contradicted', body.evidence
FROM told(as_of := as_of) WHERE type = 'claim.contradicted' AND coalesce(body.kind, '') = '';
CREATE OR REPLACE VIEW claim AS FROM claim();
