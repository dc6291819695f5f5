-- What does an accepted task cost?
SELECT t.agent, count(*) AS accepted, round(avg(t.cost_usd), 4) AS usd_each, round(median(t.cost_usd), 4) AS usd_median
FROM task t WHERE t.status = 'completed' GROUP BY t.agent ORDER BY accepted DESC, t.agent

-- What do tasks that were not accepted cost?
SELECT status, count(*) AS tasks, round(sum(cost_usd), 4) AS usd FROM task WHERE status <> 'completed' GROUP BY status ORDER BY usd DESC, status

-- Retry yield: how many tasks does each further attempt bring home?
SELECT attempts, count(*) AS tasks, count(*) FILTER (status = 'completed') AS accepted,
    round(count(*) FILTER (status = 'completed') / count(*), 3) AS share
FROM task GROUP BY attempts ORDER BY attempts

-- Escalation precision: of what people were asked, how much did they reject?
SELECT count(*) AS asked, count(*) FILTER (resolution = 'reject') AS rejected,
    count(*) FILTER (resolution = 'approve') AS approved,
    round(count(*) FILTER (resolution = 'reject') / nullif(count(*), 0), 3) AS share_rejected
FROM wait WHERE kind = 'breakpoint' AND resolution IN ('approve', 'reject', 'retry')

-- How long did tasks wait for a person?
SELECT project, task, since AS asked_at, until AS answered_at, round(seconds, 1) AS seconds
FROM wait WHERE kind = 'breakpoint' ORDER BY asked_at, project, task

-- Which agents say that they are done when they are not?
SELECT agent, count(*) AS said_done, count(*) FILTER (checks_passed IS FALSE) AS false_done,
    round(count(*) FILTER (checks_passed IS FALSE) / count(*), 3) AS rate
FROM attempt WHERE ending = 'completed' GROUP BY agent ORDER BY rate DESC, agent

-- Which checks fail most often?
SELECT command, count(*) AS runs, count(*) FILTER (NOT passed) AS failed, round(avg(duration_ms)) AS ms
FROM check_result GROUP BY command ORDER BY failed DESC, command

-- How often is the first attempt enough?
SELECT count(*) AS accepted, round(count(*) FILTER (attempts = 1) / nullif(count(*), 0), 3) AS first_try
FROM task WHERE status = 'completed'

-- How do agents' runs end?
SELECT agent, ending, count(*) AS runs FROM attempt GROUP BY ALL ORDER BY runs DESC, agent, ending

-- Which decisions were made, and how many by people?
SELECT action, count(*) AS decisions, count(*) FILTER (decided_by <> 'decider' OR rule = 'resolved') AS by_people
FROM decision GROUP BY action ORDER BY decisions DESC, action

-- Why was something tried again?
SELECT unnest(reasons) AS reason, count(*) AS times FROM decision WHERE action = 'retry' GROUP BY reason ORDER BY times DESC, reason

-- Which tasks are stuck at a person?
SELECT project, task, reasons, submitted_at FROM task WHERE status = 'waiting' ORDER BY submitted_at, project, task

-- How many tokens went where?
SELECT used_by, model, sum(input) AS input, sum(output) AS output, sum(cache_read) AS cache_read FROM token GROUP BY ALL ORDER BY input DESC, used_by, model

-- How much of the time is the agent's, and how much is Obra's?
SELECT project, task, round(sum(a.agent_ms)) AS agent_ms,
    round((epoch(any_value(t.ended_at)) - epoch(any_value(t.submitted_at))) * 1000) AS whole_ms
FROM attempt a JOIN task t USING (project, task)
WHERE t.ended_at IS NOT NULL GROUP BY project, task ORDER BY whole_ms DESC, project, task

-- Where does the time go between services?
SELECT cause, answer, events, p50_ms, p95_ms FROM hop ORDER BY p95_ms DESC, cause, answer LIMIT 10

-- What went wrong lately?
SELECT type, what, count(*) AS times, max(happened_at) AS newest FROM error GROUP BY ALL ORDER BY times DESC, type, what

-- How large are accepted changes?
SELECT project, task, a.files, a.lines_added, a.lines_deleted FROM task t JOIN attempt a USING (project, task)
WHERE t.status = 'completed' AND a.decision = 'proceed' ORDER BY a.lines_added DESC, project, task

-- Does the reviewer agree with the checks?
SELECT l.model, l.approves, a.checks_passed, count(*) AS reviews
FROM llm_call l JOIN attempt a USING (project, task, attempt, run)
WHERE l.purpose = 'review' AND l.usable GROUP BY ALL ORDER BY ALL

-- How sure was Obra of what it accepted, and of what it did not?
SELECT status, round(avg(confidence), 3) AS confidence, round(avg(quality), 3) AS quality, count(*) AS tasks
FROM task SEMI JOIN (FROM attempt WHERE confidence IS NOT NULL) USING (project, task)
GROUP BY status ORDER BY tasks DESC, status

-- How many runs were lost to crashes?
SELECT count(*) AS lost, count(DISTINCT (project, task)) AS tasks FROM attempt WHERE ending = 'interrupted'
