SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "access_change_purges" (
	"id" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"purged_below" "xid8" DEFAULT '0'::xid8 NOT NULL,
	"next_below" "xid8" DEFAULT '0'::xid8 NOT NULL,
	"noted_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "access_change_purges_one_row" CHECK ("access_change_purges"."id")
);
--> statement-breakpoint
CREATE TABLE "access_changes" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"transaction_id" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"kind" text NOT NULL,
	"tenant_id" uuid,
	"user_id" uuid,
	"subject_id" uuid,
	"written_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "idx_access_changes_transaction" ON "access_changes" USING btree ("transaction_id");--> statement-breakpoint
INSERT INTO "access_change_purges" ("id") VALUES (true);
--> statement-breakpoint
-- With its owner's rights: a role that may end a session need not have a grant on the changes, such as the serving role
-- of the release before, which goes on while this one is deployed. It reports the ids that the row had before, because
-- others know it by them. Without the table of changes nothing is reported, and nobody vouches for anything; an access
-- can still be ended.
CREATE FUNCTION access_changes_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF to_regclass('public.access_changes') IS NULL THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO public.access_changes (kind) VALUES ('everything');
    RETURN NULL;
  END IF;
  CASE TG_ARGV[0]
    WHEN 'session' THEN
      INSERT INTO public.access_changes (kind, tenant_id, user_id, subject_id) VALUES ('session', OLD.tenant_id, OLD.user_id, OLD.id);
    WHEN 'proof' THEN
      INSERT INTO public.access_changes (kind, tenant_id, user_id, subject_id) VALUES ('session', OLD.tenant_id, OLD.user_id, OLD.session_id);
    WHEN 'staff' THEN
      INSERT INTO public.access_changes (kind, tenant_id, user_id, subject_id) VALUES ('staff', OLD.tenant_id, OLD.user_id, OLD.id);
    WHEN 'user' THEN
      INSERT INTO public.access_changes (kind, user_id) VALUES ('user', OLD.id);
    WHEN 'tenant' THEN
      INSERT INTO public.access_changes (kind, tenant_id) VALUES ('tenant', OLD.id);
    WHEN 'api_key' THEN
      INSERT INTO public.access_changes (kind, tenant_id, user_id, subject_id) VALUES ('api_key', OLD.tenant_id, OLD.user_id, OLD.id);
    WHEN 'service_key' THEN
      INSERT INTO public.access_changes (kind, subject_id) VALUES ('service_key', OLD.id);
  END CASE;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER user_sessions_access_changed AFTER UPDATE ON user_sessions
FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.expires_at <> NEW.expires_at
  OR OLD.session_version <> NEW.session_version OR OLD.created_at <> NEW.created_at OR OLD.id <> NEW.id
  OR OLD.tenant_id <> NEW.tenant_id OR OLD.user_id <> NEW.user_id OR OLD.staff_id <> NEW.staff_id)
EXECUTE FUNCTION access_changes_record('session');
--> statement-breakpoint
-- Nobody counts on a session that had ended already, such as those that the hourly maintenance deletes.
CREATE TRIGGER user_sessions_access_deleted AFTER DELETE ON user_sessions
FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND OLD.expires_at > now())
EXECUTE FUNCTION access_changes_record('session');
--> statement-breakpoint
CREATE TRIGGER user_sessions_access_truncated AFTER TRUNCATE ON user_sessions
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('session');
--> statement-breakpoint
-- Only a proof that counts for a period of time is part of what others know about a session.
CREATE TRIGGER step_up_challenges_access_changed AFTER UPDATE ON step_up_challenges
FOR EACH ROW WHEN (OLD.session_id IS NOT NULL AND OLD.origin = 'session' AND OLD.act_digest IS NULL
  AND (OLD.verified_at IS DISTINCT FROM NEW.verified_at OR OLD.consumed_at IS DISTINCT FROM NEW.consumed_at
    OR OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.purpose <> NEW.purpose
    OR OLD.session_id IS DISTINCT FROM NEW.session_id OR OLD.origin <> NEW.origin
    OR OLD.act_digest IS DISTINCT FROM NEW.act_digest))
EXECUTE FUNCTION access_changes_record('proof');
--> statement-breakpoint
CREATE TRIGGER step_up_challenges_access_deleted AFTER DELETE ON step_up_challenges
FOR EACH ROW WHEN (OLD.session_id IS NOT NULL AND OLD.verified_at > now() - interval '1 hour')
EXECUTE FUNCTION access_changes_record('proof');
--> statement-breakpoint
CREATE TRIGGER step_up_challenges_access_truncated AFTER TRUNCATE ON step_up_challenges
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('proof');
--> statement-breakpoint
CREATE TRIGGER tenant_staff_access_changed AFTER UPDATE ON tenant_staff
FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.session_version <> NEW.session_version OR OLD.roles <> NEW.roles
  OR OLD.permissions <> NEW.permissions OR OLD.id <> NEW.id OR OLD.tenant_id <> NEW.tenant_id OR OLD.user_id <> NEW.user_id)
EXECUTE FUNCTION access_changes_record('staff');
--> statement-breakpoint
CREATE TRIGGER tenant_staff_access_deleted AFTER DELETE ON tenant_staff
FOR EACH ROW EXECUTE FUNCTION access_changes_record('staff');
--> statement-breakpoint
CREATE TRIGGER tenant_staff_access_truncated AFTER TRUNCATE ON tenant_staff
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('staff');
--> statement-breakpoint
CREATE TRIGGER users_access_changed AFTER UPDATE ON users
FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.email <> NEW.email OR OLD.name IS DISTINCT FROM NEW.name OR OLD.id <> NEW.id)
EXECUTE FUNCTION access_changes_record('user');
--> statement-breakpoint
CREATE TRIGGER users_access_deleted AFTER DELETE ON users
FOR EACH ROW EXECUTE FUNCTION access_changes_record('user');
--> statement-breakpoint
CREATE TRIGGER users_access_truncated AFTER TRUNCATE ON users
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('user');
--> statement-breakpoint
CREATE TRIGGER tenants_access_changed AFTER UPDATE ON tenants
FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.slug <> NEW.slug OR OLD.name <> NEW.name OR OLD.id <> NEW.id)
EXECUTE FUNCTION access_changes_record('tenant');
--> statement-breakpoint
CREATE TRIGGER tenants_access_deleted AFTER DELETE ON tenants
FOR EACH ROW EXECUTE FUNCTION access_changes_record('tenant');
--> statement-breakpoint
CREATE TRIGGER tenants_access_truncated AFTER TRUNCATE ON tenants
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('tenant');
--> statement-breakpoint
CREATE TRIGGER api_keys_access_changed AFTER UPDATE ON api_keys
FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.expires_at <> NEW.expires_at
  OR OLD.permissions <> NEW.permissions OR OLD.addresses <> NEW.addresses OR OLD.name <> NEW.name
  OR OLD.secret_hash <> NEW.secret_hash OR OLD.previous_hash IS DISTINCT FROM NEW.previous_hash
  OR OLD.previous_until IS DISTINCT FROM NEW.previous_until OR OLD.id <> NEW.id
  OR OLD.tenant_id <> NEW.tenant_id OR OLD.staff_id <> NEW.staff_id OR OLD.user_id <> NEW.user_id)
EXECUTE FUNCTION access_changes_record('api_key');
--> statement-breakpoint
CREATE TRIGGER api_keys_access_deleted AFTER DELETE ON api_keys
FOR EACH ROW EXECUTE FUNCTION access_changes_record('api_key');
--> statement-breakpoint
CREATE TRIGGER api_keys_access_truncated AFTER TRUNCATE ON api_keys
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('api_key');
--> statement-breakpoint
CREATE TRIGGER service_keys_access_changed AFTER UPDATE ON service_keys
FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
  OR OLD.scopes <> NEW.scopes OR OLD.addresses <> NEW.addresses OR OLD.secret_hash <> NEW.secret_hash
  OR OLD.previous_hash IS DISTINCT FROM NEW.previous_hash OR OLD.previous_until IS DISTINCT FROM NEW.previous_until
  OR OLD.id <> NEW.id)
EXECUTE FUNCTION access_changes_record('service_key');
--> statement-breakpoint
CREATE TRIGGER service_keys_access_deleted AFTER DELETE ON service_keys
FOR EACH ROW EXECUTE FUNCTION access_changes_record('service_key');
--> statement-breakpoint
CREATE TRIGGER service_keys_access_truncated AFTER TRUNCATE ON service_keys
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('service_key');
