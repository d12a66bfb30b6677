SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "ip_rule_sets" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"trial_started_at" timestamp (3) with time zone,
	"trial_ends_at" timestamp (3) with time zone,
	"trial_by" uuid,
	"suspended_at" timestamp (3) with time zone,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ip_rule_sets_trial_whole" CHECK (num_nulls("ip_rule_sets"."trial_started_at", "ip_rule_sets"."trial_ends_at", "ip_rule_sets"."trial_by") IN (0, 3))
);
--> statement-breakpoint
ALTER TABLE "ip_rule_sets" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ip_rules" (
	"id" uuid DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"trial" boolean DEFAULT false NOT NULL,
	"action" text NOT NULL,
	"applies_to" text NOT NULL,
	"range" "cidr" NOT NULL,
	"note" text DEFAULT '' NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"created_by" uuid,
	CONSTRAINT "ip_rules_tenant_id_trial_id_pk" PRIMARY KEY("tenant_id","trial","id"),
	CONSTRAINT "ip_rules_range_unique" UNIQUE("tenant_id","trial","applies_to","action","range"),
	CONSTRAINT "ip_rules_action" CHECK ("ip_rules"."action" IN ('allow', 'deny')),
	CONSTRAINT "ip_rules_applies_to" CHECK ("ip_rules"."applies_to" IN ('people', 'api_keys'))
);
--> statement-breakpoint
ALTER TABLE "ip_rules" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "ip_rule_sets" ADD CONSTRAINT "ip_rule_sets_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ip_rules" ADD CONSTRAINT "ip_rules_tenant_id_ip_rule_sets_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."ip_rule_sets"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "ip_rule_sets" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{ip_rules}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "ip_rules" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{ip_rules}'::text[]));--> statement-breakpoint
-- The version of a set grows with each statement that changes its rules, so that changes by SQL count as well.
CREATE FUNCTION ip_rules_raise_version() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    UPDATE public.ip_rule_sets SET version = version + 1;
  ELSIF TG_OP = 'INSERT' THEN
    UPDATE public.ip_rule_sets SET version = version + 1 WHERE tenant_id IN (SELECT tenant_id FROM new_rules);
  ELSIF TG_OP = 'DELETE' THEN
    UPDATE public.ip_rule_sets SET version = version + 1 WHERE tenant_id IN (SELECT tenant_id FROM old_rules);
  ELSE
    UPDATE public.ip_rule_sets SET version = version + 1
    WHERE tenant_id IN (SELECT tenant_id FROM new_rules UNION SELECT tenant_id FROM old_rules);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER ip_rules_inserted AFTER INSERT ON ip_rules
REFERENCING NEW TABLE AS new_rules FOR EACH STATEMENT EXECUTE FUNCTION ip_rules_raise_version();
--> statement-breakpoint
CREATE TRIGGER ip_rules_updated AFTER UPDATE ON ip_rules
REFERENCING OLD TABLE AS old_rules NEW TABLE AS new_rules FOR EACH STATEMENT EXECUTE FUNCTION ip_rules_raise_version();
--> statement-breakpoint
CREATE TRIGGER ip_rules_deleted AFTER DELETE ON ip_rules
REFERENCING OLD TABLE AS old_rules FOR EACH STATEMENT EXECUTE FUNCTION ip_rules_raise_version();
--> statement-breakpoint
CREATE TRIGGER ip_rules_truncated AFTER TRUNCATE ON ip_rules
FOR EACH STATEMENT EXECUTE FUNCTION ip_rules_raise_version();
--> statement-breakpoint
-- A change of the set that leaves the version as it is raises it too, such as the end of a trial.
CREATE FUNCTION ip_rule_sets_raise_version() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.version = OLD.version THEN
    NEW.version := OLD.version + 1;
  END IF;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER ip_rule_sets_updated BEFORE UPDATE ON ip_rule_sets
FOR EACH ROW EXECUTE FUNCTION ip_rule_sets_raise_version();
--> statement-breakpoint
INSERT INTO "change_versions" ("topic") VALUES ('ip_rules') ON CONFLICT DO NOTHING;
--> statement-breakpoint
CREATE TRIGGER ip_rule_sets_change_version
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ip_rule_sets
FOR EACH STATEMENT EXECUTE FUNCTION change_versions_grow('ip_rules');
--> statement-breakpoint
-- While a subscription of logical replication writes, only such triggers run, and nodes must hear of its changes too.
ALTER TABLE ip_rules
  ENABLE ALWAYS TRIGGER ip_rules_inserted,
  ENABLE ALWAYS TRIGGER ip_rules_updated,
  ENABLE ALWAYS TRIGGER ip_rules_deleted,
  ENABLE ALWAYS TRIGGER ip_rules_truncated;
--> statement-breakpoint
ALTER TABLE ip_rule_sets
  ENABLE ALWAYS TRIGGER ip_rule_sets_updated,
  ENABLE ALWAYS TRIGGER ip_rule_sets_change_version;
--> statement-breakpoint
-- Other addresses may be refused from now on, or admitted: what guards keep about the people of the tenant is old.
CREATE TRIGGER ip_rule_sets_access_changed AFTER INSERT OR UPDATE ON ip_rule_sets
FOR EACH ROW EXECUTE FUNCTION access_changes_record('policy');
--> statement-breakpoint
CREATE TRIGGER ip_rule_sets_access_deleted AFTER DELETE ON ip_rule_sets
FOR EACH ROW EXECUTE FUNCTION access_changes_record('policy');
--> statement-breakpoint
CREATE TRIGGER ip_rule_sets_access_truncated AFTER TRUNCATE ON ip_rule_sets
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('policy');
--> statement-breakpoint
ALTER TABLE ip_rule_sets
  ENABLE ALWAYS TRIGGER ip_rule_sets_access_changed,
  ENABLE ALWAYS TRIGGER ip_rule_sets_access_deleted,
  ENABLE ALWAYS TRIGGER ip_rule_sets_access_truncated;
