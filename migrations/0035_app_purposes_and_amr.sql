SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TYPE "public"."rate_limit_scope" ADD VALUE 'introspect';--> statement-breakpoint
-- The condition of the trigger names the column, so the trigger is made again below.
-- gatehouse:allow drop-trigger made again below, in the same transaction
DROP TRIGGER step_up_challenges_access_changed ON step_up_challenges;--> statement-breakpoint
-- gatehouse:allow changing-column-type the table holds the challenges of some days, and text takes every value of the enum
ALTER TABLE "step_up_challenges" ALTER COLUMN "purpose" SET DATA TYPE text;--> statement-breakpoint
-- gatehouse:allow changing-column-type only the purge and exports use the history, and text takes every value of the enum
ALTER TABLE "step_up_history" ALTER COLUMN "purpose" SET DATA TYPE text;--> statement-breakpoint
ALTER TABLE "user_sessions" ADD COLUMN "amr" text[];--> statement-breakpoint
-- gatehouse:allow constraint-missing-not-valid the table was locked and rewritten just before, and every row had a value of the enum
ALTER TABLE "step_up_challenges" ADD CONSTRAINT "step_up_challenges_purpose" CHECK ("step_up_challenges"."purpose" IN ('security_settings', 'data_export', 'impersonation') OR "step_up_challenges"."purpose" ~ '^app:[a-z0-9][a-z0-9._-]{0,59}$');--> statement-breakpoint
-- gatehouse:allow drop-type no statement of the release before names the type
DROP TYPE "public"."step_up_purpose";--> statement-breakpoint
CREATE TRIGGER step_up_challenges_access_changed AFTER UPDATE ON step_up_challenges
FOR EACH ROW WHEN (OLD.session_id IS NOT NULL AND OLD.origin = 'session' AND OLD.act_digest IS NULL
  AND (OLD.verified_at IS DISTINCT FROM NEW.verified_at OR OLD.consumed_at IS DISTINCT FROM NEW.consumed_at
    OR OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.purpose <> NEW.purpose
    OR OLD.session_id IS DISTINCT FROM NEW.session_id OR OLD.origin <> NEW.origin
    OR OLD.act_digest IS DISTINCT FROM NEW.act_digest))
EXECUTE FUNCTION access_changes_record('proof');
--> statement-breakpoint
-- The check of a session, and what an introspection also says: how and when the person signed in, the end of the
-- session, and its unused proofs of the longest window, the newest of each purpose.
CREATE FUNCTION gatehouse_introspected_sessions(session_ids uuid[], tenant_ids uuid[], moment timestamptz)
RETURNS TABLE (id uuid, "tenantId" uuid, "userId" uuid, "staffId" uuid, "staffVersion" integer,
  roles text[], permissions text[], email text, name text, "tenantSlug" text, "tenantName" text,
  active boolean, "sessionVersion" integer, live boolean, "revokeReason" public.revoke_reason, "lastSeenAt" float8,
  amr text[], "beganAt" float8, "endsAt" float8, "stepUps" jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT l.*, s.amr, (extract(epoch FROM s.created_at) * 1000)::float8, (extract(epoch FROM s.expires_at) * 1000)::float8,
      coalesce(proofs.given, '[]'::jsonb)
    FROM public.gatehouse_live_sessions(session_ids, tenant_ids, moment) l
    JOIN public.user_sessions s ON s.id = l.id AND s.tenant_id = l."tenantId"
    CROSS JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_object('purpose', newest.purpose, 'verifiedAt', newest.verified_ms)) AS given
      FROM (
        SELECT c.purpose, max((extract(epoch FROM c.verified_at) * 1000)::float8) AS verified_ms
        FROM public.step_up_challenges c
        WHERE c.session_id = l.id AND c.tenant_id = l."tenantId" AND c.origin = 'session' AND c.act_digest IS NULL
          AND c.verified_at > moment - interval '15 minutes' AND c.consumed_at IS NULL AND c.revoked_at IS NULL
          AND coalesce(c.session_version = l."staffVersion", true)
        GROUP BY c.purpose
      ) newest
    ) proofs;
END
$$;
--> statement-breakpoint
-- gatehouse:allow grant the function is new, and nobody but the serving role may call it
REVOKE ALL ON FUNCTION gatehouse_introspected_sessions(uuid[], uuid[], timestamptz) FROM PUBLIC;
--> statement-breakpoint
-- The look-up of API keys, with the name and the end of each key.
CREATE FUNCTION gatehouse_named_tenant_keys(hashes bytea[])
RETURNS TABLE (id uuid, addresses text[], "secretHash" bytea, "previousHash" bytea, "previousLive" boolean,
  live boolean, revoked boolean, "usedLately" boolean, "tenantId" uuid, "userId" uuid, "staffId" uuid, "sessionVersion" integer,
  permissions text[], email text, "personName" text, "tenantSlug" text, "tenantName" text, active boolean,
  name text, "expiresAt" timestamptz, "previousUntil" timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT l.*, k.name, k.expires_at::timestamptz, k.previous_until::timestamptz
    FROM public.gatehouse_live_tenant_keys(hashes) l
    JOIN public.api_keys k ON k.id = l.id AND k.tenant_id = l."tenantId";
END
$$;
--> statement-breakpoint
-- gatehouse:allow grant the function is new, and nobody but the serving role may call it
REVOKE ALL ON FUNCTION gatehouse_named_tenant_keys(bytea[]) FROM PUBLIC;
