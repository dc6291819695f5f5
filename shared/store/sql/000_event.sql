-- The log. Rows are added, never changed; log-sink is the only writer.
-- `raw` holds the message's bytes as they came and `hash` chains them: sha256(hash before || position || raw).
-- `body` is the event object with secrets taken out; a field that is missing in it has its default. What is stored of
-- it is its text: taken apart it would be ten times as large, and nothing else about storing costs as much. DuckDB
-- tries the expression on every row that comes in; the writer, who never asks for `body`, sets `storing` to spare that.
CREATE TABLE IF NOT EXISTS event (
    position    UBIGINT NOT NULL,  -- JetStream sequence
    id          UUID,
    project     VARCHAR,
    task        VARCHAR,
    type        VARCHAR,
    happened_at TIMESTAMPTZ,
    cause       UUID,
    correlation UUID,
    service     VARCHAR,
    body_json   VARCHAR USING COMPRESSION zstd,
    body        VARIANT GENERATED ALWAYS AS (
        CASE WHEN getvariable('storing') THEN NULL ELSE TRY_CAST(body_json AS JSON)::VARIANT END
    ) VIRTUAL,
    raw         BLOB NOT NULL USING COMPRESSION zstd,  -- trying others first costs more than all else
    hash        BLOB NOT NULL USING COMPRESSION uncompressed,  -- what is random can only be tried in vain
    problem     VARCHAR,           -- why the message is no event; null for an event
    stored_at   TIMESTAMPTZ NOT NULL
);
-- How far the log reaches, written with the rows in one transaction.
CREATE TABLE IF NOT EXISTS sink (watermark UBIGINT NOT NULL, schema UINTEGER NOT NULL, views VARCHAR NOT NULL);
