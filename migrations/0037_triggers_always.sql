SET LOCAL lock_timeout = '5s';--> statement-breakpoint
-- As in 0032, and for the policies of tenants: a shorter window ends proofs. A first policy is inserted, so the new row counts as well.
CREATE OR REPLACE FUNCTION access_changes_record() RETURNS trigger
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
    WHEN 'policy' THEN
      INSERT INTO public.access_changes (kind, tenant_id)
      SELECT DISTINCT 'tenant', named.id FROM (VALUES (OLD.tenant_id), (NEW.tenant_id)) AS named (id) WHERE named.id IS NOT NULL;
    WHEN 'api_key' THEN
      INSERT INTO public.access_changes (kind, tenant_id, user_id, subject_id) VALUES ('api_key', OLD.tenant_id, OLD.user_id, OLD.id);
    WHEN 'service_key' THEN
      INSERT INTO public.access_changes (kind, subject_id) VALUES ('service_key', OLD.id);
  END CASE;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER risk_policies_access_changed AFTER INSERT OR UPDATE ON risk_policies
FOR EACH ROW EXECUTE FUNCTION access_changes_record('policy');
--> statement-breakpoint
CREATE TRIGGER risk_policies_access_deleted AFTER DELETE ON risk_policies
FOR EACH ROW EXECUTE FUNCTION access_changes_record('policy');
--> statement-breakpoint
CREATE TRIGGER risk_policies_access_truncated AFTER TRUNCATE ON risk_policies
FOR EACH STATEMENT EXECUTE FUNCTION access_changes_record('policy');
--> statement-breakpoint
-- Also how the person signed in, which an introspection says since 0035.
CREATE OR REPLACE TRIGGER user_sessions_access_changed AFTER UPDATE ON user_sessions
FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.expires_at <> NEW.expires_at
  OR OLD.session_version <> NEW.session_version OR OLD.created_at <> NEW.created_at OR OLD.id <> NEW.id
  OR OLD.tenant_id <> NEW.tenant_id OR OLD.user_id <> NEW.user_id OR OLD.staff_id <> NEW.staff_id
  OR OLD.amr IS DISTINCT FROM NEW.amr)
EXECUTE FUNCTION access_changes_record('session');
--> statement-breakpoint
-- Also the version and the tenant of a proof: it counts only with those of its session.
CREATE OR REPLACE TRIGGER step_up_challenges_access_changed AFTER UPDATE ON step_up_challenges
FOR EACH ROW WHEN (OLD.session_id IS NOT NULL AND OLD.origin = 'session' AND OLD.act_digest IS NULL
  AND (OLD.verified_at IS DISTINCT FROM NEW.verified_at OR OLD.consumed_at IS DISTINCT FROM NEW.consumed_at
    OR OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.purpose <> NEW.purpose
    OR OLD.session_id IS DISTINCT FROM NEW.session_id OR OLD.origin <> NEW.origin
    OR OLD.act_digest IS DISTINCT FROM NEW.act_digest OR OLD.session_version IS DISTINCT FROM NEW.session_version
    OR OLD.tenant_id <> NEW.tenant_id))
EXECUTE FUNCTION access_changes_record('proof');
--> statement-breakpoint
-- With session_replication_role = replica, and while a subscription of logical replication writes, only such triggers run.
-- What skipped them would change access, or the audit log, without a trace.
ALTER TABLE api_keys
  ENABLE ALWAYS TRIGGER api_keys_access_changed,
  ENABLE ALWAYS TRIGGER api_keys_access_deleted,
  ENABLE ALWAYS TRIGGER api_keys_access_truncated;
--> statement-breakpoint
ALTER TABLE risk_policies
  ENABLE ALWAYS TRIGGER risk_policies_access_changed,
  ENABLE ALWAYS TRIGGER risk_policies_access_deleted,
  ENABLE ALWAYS TRIGGER risk_policies_access_truncated,
  ENABLE ALWAYS TRIGGER risk_policies_change_version;
--> statement-breakpoint
ALTER TABLE service_keys
  ENABLE ALWAYS TRIGGER service_keys_access_changed,
  ENABLE ALWAYS TRIGGER service_keys_access_deleted,
  ENABLE ALWAYS TRIGGER service_keys_access_truncated;
--> statement-breakpoint
ALTER TABLE step_up_challenges
  ENABLE ALWAYS TRIGGER step_up_challenges_access_changed,
  ENABLE ALWAYS TRIGGER step_up_challenges_access_deleted,
  ENABLE ALWAYS TRIGGER step_up_challenges_access_truncated;
--> statement-breakpoint
ALTER TABLE tenant_staff
  ENABLE ALWAYS TRIGGER tenant_staff_access_changed,
  ENABLE ALWAYS TRIGGER tenant_staff_access_deleted,
  ENABLE ALWAYS TRIGGER tenant_staff_access_truncated;
--> statement-breakpoint
ALTER TABLE tenants
  ENABLE ALWAYS TRIGGER tenants_access_changed,
  ENABLE ALWAYS TRIGGER tenants_access_deleted,
  ENABLE ALWAYS TRIGGER tenants_access_truncated;
--> statement-breakpoint
ALTER TABLE user_sessions
  ENABLE ALWAYS TRIGGER user_sessions_access_changed,
  ENABLE ALWAYS TRIGGER user_sessions_access_deleted,
  ENABLE ALWAYS TRIGGER user_sessions_access_truncated;
--> statement-breakpoint
ALTER TABLE users
  ENABLE ALWAYS TRIGGER users_access_changed,
  ENABLE ALWAYS TRIGGER users_access_deleted,
  ENABLE ALWAYS TRIGGER users_access_truncated;
--> statement-breakpoint
ALTER TABLE audit_logs
  ENABLE ALWAYS TRIGGER audit_logs_append_only,
  ENABLE ALWAYS TRIGGER audit_logs_transaction;
--> statement-breakpoint
ALTER TABLE audit_leaves ENABLE ALWAYS TRIGGER audit_leaves_append_only;
--> statement-breakpoint
ALTER TABLE audit_nodes ENABLE ALWAYS TRIGGER audit_nodes_append_only;
--> statement-breakpoint
ALTER TABLE audit_checkpoints ENABLE ALWAYS TRIGGER audit_checkpoints_append_only;
--> statement-breakpoint
ALTER TABLE evidence_keys ENABLE ALWAYS TRIGGER evidence_keys_append_only;
--> statement-breakpoint
ALTER TABLE audit_trees ENABLE ALWAYS TRIGGER audit_trees_kept;
