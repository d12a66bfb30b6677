SET LOCAL lock_timeout = '5s';--> statement-breakpoint
-- The two statements that check who sends a request, as one call each. They run with the rights of their owner, whom
-- row-level security does not bind, so a check needs no transaction of its own. Only the serving role may call them.
-- They are plpgsql, which looks their tables up by name at each run: a missing table is an error, as in a plain statement.
CREATE FUNCTION gatehouse_live_sessions(session_ids uuid[], tenant_ids uuid[], moment timestamptz)
RETURNS TABLE (id uuid, "tenantId" uuid, "userId" uuid, "staffId" uuid, "staffVersion" integer,
  roles text[], permissions text[], email text, name text, "tenantSlug" text, "tenantName" text,
  active boolean, "sessionVersion" integer, live boolean, "revokeReason" public.revoke_reason, "lastSeenAt" float8)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The scalar subqueries hide the lengths of the arrays from the planner. With them it would plan at each run.
  RETURN QUERY
    SELECT s.id, s.tenant_id, st.user_id, st.id, st.session_version, st.roles, st.permissions,
      u.email, u.name, t.slug, t.name,
      st.status = 'active' AND u.status = 'active' AND t.status = 'active',
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
-- gatehouse:allow grant the function is new, and nobody but the serving role may call it
REVOKE ALL ON FUNCTION gatehouse_live_sessions(uuid[], uuid[], timestamptz) FROM PUBLIC;
--> statement-breakpoint
CREATE FUNCTION gatehouse_live_tenant_keys(hashes bytea[])
RETURNS TABLE (id uuid, addresses text[], "secretHash" bytea, "previousHash" bytea, "previousLive" boolean,
  live boolean, revoked boolean, "usedLately" boolean, "tenantId" uuid, "userId" uuid, "staffId" uuid, "sessionVersion" integer,
  permissions text[], email text, "personName" text, "tenantSlug" text, "tenantName" text, active boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
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
      st.status = 'active' AND u.status = 'active' AND t.status = 'active'
    FROM unnest((SELECT hashes)) AS asked (hash)
    CROSS JOIN LATERAL (SELECT a.* FROM public.api_keys a WHERE a.secret_hash = asked.hash OR a.previous_hash = asked.hash LIMIT 1) k
    JOIN public.tenant_staff st ON st.tenant_id = k.tenant_id AND st.id = k.staff_id AND st.user_id = k.user_id
    JOIN public.users u ON u.id = st.user_id
    JOIN public.tenants t ON t.id = st.tenant_id;
END
$$;
--> statement-breakpoint
-- gatehouse:allow grant the function is new, and nobody but the serving role may call it
REVOKE ALL ON FUNCTION gatehouse_live_tenant_keys(bytea[]) FROM PUBLIC;
