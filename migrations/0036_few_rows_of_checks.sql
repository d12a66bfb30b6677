SET LOCAL lock_timeout = '5s';--> statement-breakpoint
-- Postgres expects a thousand rows of a function unless it is told otherwise, and read the whole table of sessions for an
-- introspection. The requests of one moment are few.
ALTER FUNCTION gatehouse_live_sessions(uuid[], uuid[], timestamptz) ROWS 10;
--> statement-breakpoint
ALTER FUNCTION gatehouse_live_tenant_keys(bytea[]) ROWS 10;
