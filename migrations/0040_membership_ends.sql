SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TABLE "invitations" ADD COLUMN "membership_ends_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "tenant_staff" ADD COLUMN "ends_at" timestamp (3) with time zone;--> statement-breakpoint
-- gatehouse:allow require-concurrent-index-creation no row has a value yet, and members are few: one quick reading of the table
CREATE INDEX "idx_tenant_staff_ends" ON "tenant_staff" USING btree ("ends_at") WHERE "tenant_staff"."ends_at" IS NOT NULL;--> statement-breakpoint
ALTER POLICY "tenant_rows" ON "tenant_staff" TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{challenge,keys,link,membership,operator,person,reported,rotation}'::text[]));--> statement-breakpoint
-- A membership that has ended is checked like one that is not active, by the database's clock. The functions keep their
-- signatures, and so their grants.
CREATE OR REPLACE FUNCTION gatehouse_live_sessions(session_ids uuid[], tenant_ids uuid[], moment timestamptz)
RETURNS TABLE (id uuid, "tenantId" uuid, "userId" uuid, "staffId" uuid, "staffVersion" integer,
  roles text[], permissions text[], email text, name text, "tenantSlug" text, "tenantName" text,
  active boolean, "sessionVersion" integer, live boolean, "revokeReason" public.revoke_reason, "lastSeenAt" float8)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The scalar subqueries hide the lengths of the arrays from the planner. With them it would plan at each run.
  RETURN QUERY
    SELECT s.id, s.tenant_id, st.user_id, st.id, st.session_version, st.roles, st.permissions,
      u.email, u.name, t.slug, t.name,
      st.status = 'active' AND coalesce(st.ends_at > now(), true) AND u.status = 'active' AND t.status = 'active',
      s.session_version, s.revoked_at IS NULL AND s.expires_at > moment, s.revoke_reason,
      (extract(epoch FROM s.last_seen_at) * 1000)::float8
    FROM unnest((SELECT session_ids), (SELECT tenant_ids)) AS asked (session_id, tenant_id)
    JOIN public.user_sessions s ON s.id = asked.session_id AND s.tenant_id = asked.tenant_id
    JOIN public.tenant_staff st ON st.tenant_id = s.tenant_id AND st.id = s.staff_id AND st.user_id = s.user_id
    JOIN public.users u ON u.id = st.user_id
    JOIN public.tenants t ON t.id = st.tenant_id;
END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION gatehouse_live_tenant_keys(hashes bytea[])
RETURNS TABLE (id uuid, addresses text[], "secretHash" bytea, "previousHash" bytea, "previousLive" boolean,
  live boolean, revoked boolean, "usedLately" boolean, "tenantId" uuid, "userId" uuid, "staffId" uuid, "sessionVersion" integer,
  permissions text[], email text, "personName" text, "tenantSlug" text, "tenantName" text, active boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT k.id, k.addresses, k.secret_hash, k.previous_hash, coalesce(k.previous_until > now(), false),
      k.revoked_at IS NULL AND k.expires_at > now(), k.revoked_at IS NOT NULL,
      coalesce(k.last_used_at > now() - interval '1 minute', false),
      k.tenant_id, k.user_id, k.staff_id, st.session_version,
      ARRAY(SELECT own.permission FROM unnest(k.permissions) WITH ORDINALITY AS own (permission, place)
        WHERE own.permission = ANY (st.permissions) ORDER BY own.place),
      u.email, u.name, t.slug, t.name,
      st.status = 'active' AND coalesce(st.ends_at > now(), true) AND u.status = 'active' AND t.status = 'active'
    FROM unnest((SELECT hashes)) AS asked (hash)
    CROSS JOIN LATERAL (SELECT a.* FROM public.api_keys a WHERE a.secret_hash = asked.hash OR a.previous_hash = asked.hash LIMIT 1) k
    JOIN public.tenant_staff st ON st.tenant_id = k.tenant_id AND st.id = k.staff_id AND st.user_id = k.user_id
    JOIN public.users u ON u.id = st.user_id
    JOIN public.tenants t ON t.id = st.tenant_id;
END
$$;
--> statement-breakpoint
-- What others know about a session or a key ends with the membership.
CREATE OR REPLACE FUNCTION gatehouse_introspected_sessions(session_ids uuid[], tenant_ids uuid[], moment timestamptz)
RETURNS TABLE (id uuid, "tenantId" uuid, "userId" uuid, "staffId" uuid, "staffVersion" integer,
  roles text[], permissions text[], email text, name text, "tenantSlug" text, "tenantName" text,
  active boolean, "sessionVersion" integer, live boolean, "revokeReason" public.revoke_reason, "lastSeenAt" float8,
  amr text[], "beganAt" float8, "endsAt" float8, "stepUps" jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT l.*, s.amr, (extract(epoch FROM s.created_at) * 1000)::float8, (extract(epoch FROM least(s.expires_at, st.ends_at)) * 1000)::float8,
      coalesce(proofs.given, '[]'::jsonb)
    FROM public.gatehouse_live_sessions(session_ids, tenant_ids, moment) l
    JOIN public.user_sessions s ON s.id = l.id AND s.tenant_id = l."tenantId"
    JOIN public.tenant_staff st ON st.tenant_id = l."tenantId" AND st.id = l."staffId"
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
CREATE OR REPLACE FUNCTION gatehouse_named_tenant_keys(hashes bytea[])
RETURNS TABLE (id uuid, addresses text[], "secretHash" bytea, "previousHash" bytea, "previousLive" boolean,
  live boolean, revoked boolean, "usedLately" boolean, "tenantId" uuid, "userId" uuid, "staffId" uuid, "sessionVersion" integer,
  permissions text[], email text, "personName" text, "tenantSlug" text, "tenantName" text, active boolean,
  name text, "expiresAt" timestamptz, "previousUntil" timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT l.*, k.name, least(k.expires_at, st.ends_at)::timestamptz, k.previous_until::timestamptz
    FROM public.gatehouse_live_tenant_keys(hashes) l
    JOIN public.api_keys k ON k.id = l.id AND k.tenant_id = l."tenantId"
    JOIN public.tenant_staff st ON st.tenant_id = l."tenantId" AND st.id = l."staffId";
END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION gatehouse_live_impersonations(impersonation_ids uuid[], tenant_ids uuid[], moment timestamptz)
RETURNS TABLE (id uuid, "tenantId" uuid, "userId" uuid, "staffId" uuid, "sessionVersion" integer,
  "actorUserId" uuid, "actorStaffId" uuid, "actorSessionId" uuid, scope text, permissions text[],
  email text, name text, "actorEmail" text, "actorName" text, "tenantSlug" text, "tenantName" text,
  "startedAt" float8, "endsAt" float8, over text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT i.id, i.tenant_id, i.user_id, i.staff_id, i.session_version,
      i.actor_user_id, i.actor_staff_id, i.actor_session_id, i.scope,
      ARRAY(SELECT own.permission FROM unnest(st.permissions) WITH ORDINALITY AS own (permission, place)
        WHERE own.permission = ANY (ast.permissions) ORDER BY own.place),
      u.email, u.name, au.email, au.name, t.slug, t.name,
      (extract(epoch FROM i.started_at) * 1000)::float8,
      (extract(epoch FROM least(i.expires_at, s.expires_at, st.ends_at, ast.ends_at)) * 1000)::float8,
      CASE
        WHEN i.ended_at IS NOT NULL THEN i.end_reason
        WHEN i.address_refused_at IS NOT NULL THEN 'address_refused'
        WHEN t.status <> 'active' THEN 'tenant_closed'
        WHEN ast.status <> 'active' OR ast.ends_at <= now() OR au.status <> 'active' THEN 'actor_disabled'
        WHEN st.status <> 'active' OR st.ends_at <= now() OR u.status <> 'active' THEN 'subject_disabled'
        WHEN s.revoke_reason IN ('force_logout', 'reuse_detected', 'security_event') THEN 'actor_forced_out'
        WHEN s.id IS NULL OR s.revoked_at IS NOT NULL OR s.expires_at <= moment
          OR ast.session_version <> i.actor_session_version OR s.session_version <> i.actor_session_version
          THEN 'actor_signed_out'
        WHEN st.session_version <> i.session_version THEN 'subject_sessions_ended'
        WHEN i.expires_at <= moment THEN 'expired'
        WHEN NOT 'IMPERSONATE' = ANY (ast.permissions) THEN 'permission_taken'
        WHEN coalesce(p.mode, 'read_only') = 'off' OR i.scope = 'full' AND coalesce(p.mode, 'read_only') <> 'full'
          THEN 'policy_changed'
        WHEN i.consent = 'required' AND (c.staff_id IS NULL OR c.withdrawn_at IS NOT NULL OR c.expires_at <= moment)
          THEN 'consent_ended'
      END
    FROM unnest((SELECT impersonation_ids), (SELECT tenant_ids)) AS asked (impersonation_id, tenant_id)
    JOIN public.impersonations i ON i.id = asked.impersonation_id AND i.tenant_id = asked.tenant_id
    JOIN public.tenants t ON t.id = i.tenant_id
    JOIN public.tenant_staff st ON st.tenant_id = i.tenant_id AND st.id = i.staff_id AND st.user_id = i.user_id
    JOIN public.users u ON u.id = i.user_id
    JOIN public.tenant_staff ast ON ast.tenant_id = i.tenant_id AND ast.id = i.actor_staff_id AND ast.user_id = i.actor_user_id
    JOIN public.users au ON au.id = i.actor_user_id
    LEFT JOIN public.user_sessions s ON s.id = i.actor_session_id AND s.tenant_id = i.tenant_id AND s.staff_id = i.actor_staff_id
    LEFT JOIN public.impersonation_policies p ON p.tenant_id = i.tenant_id
    LEFT JOIN public.impersonation_consents c ON c.tenant_id = i.tenant_id AND c.staff_id = i.staff_id;
END
$$;
--> statement-breakpoint
-- Others learn of a changed end, as of every change of access.
CREATE OR REPLACE TRIGGER tenant_staff_access_changed AFTER UPDATE ON tenant_staff
FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.session_version <> NEW.session_version OR OLD.roles <> NEW.roles
  OR OLD.permissions <> NEW.permissions OR OLD.id <> NEW.id OR OLD.tenant_id <> NEW.tenant_id OR OLD.user_id <> NEW.user_id
  OR OLD.ends_at IS DISTINCT FROM NEW.ends_at)
EXECUTE FUNCTION access_changes_record('staff');--> statement-breakpoint
ALTER TABLE tenant_staff ENABLE ALWAYS TRIGGER tenant_staff_access_changed;
