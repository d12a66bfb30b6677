SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "impersonation_acts" (
	"impersonation_id" uuid NOT NULL,
	"tenant_id" uuid NOT NULL,
	"route" text NOT NULL,
	"refused" boolean NOT NULL,
	"times" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "impersonation_acts_pk" PRIMARY KEY("impersonation_id","route","refused")
);
--> statement-breakpoint
ALTER TABLE "impersonation_acts" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "impersonation_consents" (
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"given_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"withdrawn_at" timestamp (3) with time zone,
	CONSTRAINT "impersonation_consents_pk" PRIMARY KEY("tenant_id","staff_id"),
	CONSTRAINT "impersonation_consents_a_month" CHECK ("impersonation_consents"."expires_at" <= "impersonation_consents"."given_at" + interval '30 days')
);
--> statement-breakpoint
ALTER TABLE "impersonation_consents" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "impersonation_policies" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"mode" text DEFAULT 'read_only' NOT NULL,
	"consent" text DEFAULT 'told' NOT NULL,
	"ticket_required" boolean DEFAULT false NOT NULL,
	"max_minutes" integer DEFAULT 60 NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_by" uuid,
	CONSTRAINT "impersonation_policies_mode" CHECK ("impersonation_policies"."mode" IN ('off', 'read_only', 'full')),
	CONSTRAINT "impersonation_policies_consent" CHECK ("impersonation_policies"."consent" IN ('none', 'told', 'required')),
	CONSTRAINT "impersonation_policies_minutes" CHECK ("impersonation_policies"."max_minutes" BETWEEN 1 AND 60)
);
--> statement-breakpoint
ALTER TABLE "impersonation_policies" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "impersonations" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"session_version" integer NOT NULL,
	"actor_staff_id" uuid NOT NULL,
	"actor_user_id" uuid NOT NULL,
	"actor_session_id" uuid NOT NULL,
	"actor_session_version" integer NOT NULL,
	"scope" text NOT NULL,
	"reason" text NOT NULL,
	"ticket" text,
	"consent" text NOT NULL,
	"consent_given_at" timestamp (3) with time zone,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"address_refused_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	"end_reason" text,
	CONSTRAINT "impersonations_tenant_id_unique" UNIQUE("tenant_id","id"),
	CONSTRAINT "impersonations_scope" CHECK ("impersonations"."scope" IN ('read_only', 'full')),
	CONSTRAINT "impersonations_consent" CHECK ("impersonations"."consent" IN ('none', 'told', 'required')),
	CONSTRAINT "impersonations_consent_given" CHECK (("impersonations"."consent" = 'required') = ("impersonations"."consent_given_at" IS NOT NULL)),
	CONSTRAINT "impersonations_two_people" CHECK ("impersonations"."staff_id" <> "impersonations"."actor_staff_id"),
	CONSTRAINT "impersonations_an_hour" CHECK ("impersonations"."expires_at" <= "impersonations"."started_at" + interval '60 minutes'),
	CONSTRAINT "impersonations_end_whole" CHECK (num_nulls("impersonations"."ended_at", "impersonations"."end_reason") IN (0, 2))
);
--> statement-breakpoint
ALTER TABLE "impersonations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "impersonation_acts" ADD CONSTRAINT "impersonation_acts_impersonation_fk" FOREIGN KEY ("tenant_id","impersonation_id") REFERENCES "public"."impersonations"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "impersonation_consents" ADD CONSTRAINT "impersonation_consents_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "impersonation_policies" ADD CONSTRAINT "impersonation_policies_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "impersonations" ADD CONSTRAINT "impersonations_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "impersonations" ADD CONSTRAINT "impersonations_actor_fk" FOREIGN KEY ("tenant_id","actor_staff_id","actor_user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "impersonations_one_of_actor" ON "impersonations" USING btree ("tenant_id","actor_staff_id") WHERE "impersonations"."ended_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_impersonations_running" ON "impersonations" USING btree ("tenant_id","staff_id") WHERE "impersonations"."ended_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_impersonations_tenant" ON "impersonations" USING btree ("tenant_id","started_at");--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "impersonation_acts" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "impersonation_consents" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "impersonation_policies" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "impersonations" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{impersonation}'::text[]));--> statement-breakpoint
-- Everything that a request of an impersonation is checked against, as of one snapshot: both people, the actor's
-- session, the tenant and its policy. "over" says why it has ended; null while it runs. It runs with its owner's
-- rights, like gatehouse_live_sessions, and only the serving role may call it.
CREATE FUNCTION gatehouse_live_impersonations(impersonation_ids uuid[], tenant_ids uuid[], moment timestamptz)
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
      (extract(epoch FROM least(i.expires_at, s.expires_at)) * 1000)::float8,
      CASE
        WHEN i.ended_at IS NOT NULL THEN i.end_reason
        WHEN i.address_refused_at IS NOT NULL THEN 'address_refused'
        WHEN t.status <> 'active' THEN 'tenant_closed'
        WHEN ast.status <> 'active' OR au.status <> 'active' THEN 'actor_disabled'
        WHEN st.status <> 'active' OR u.status <> 'active' THEN 'subject_disabled'
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
-- gatehouse:allow grant the function is new, and nobody but the serving role may call it
REVOKE ALL ON FUNCTION gatehouse_live_impersonations(uuid[], uuid[], timestamptz) FROM PUBLIC;
--> statement-breakpoint
CREATE TRIGGER impersonations_access_changed AFTER UPDATE ON impersonations
FOR EACH ROW EXECUTE FUNCTION access_changes_record('session');
--> statement-breakpoint
CREATE TRIGGER impersonations_access_deleted AFTER DELETE ON impersonations
FOR EACH ROW WHEN (OLD.ended_at IS NULL) EXECUTE FUNCTION access_changes_record('session');
--> statement-breakpoint
CREATE TRIGGER impersonations_access_truncated AFTER TRUNCATE ON impersonations
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('session');
--> statement-breakpoint
ALTER TABLE impersonations
  ENABLE ALWAYS TRIGGER impersonations_access_changed,
  ENABLE ALWAYS TRIGGER impersonations_access_deleted,
  ENABLE ALWAYS TRIGGER impersonations_access_truncated;
