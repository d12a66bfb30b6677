SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TABLE "approval_requests" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "email_changes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "invitations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "known_addresses" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "known_countries" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "known_devices" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "known_networks" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "mails" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "passkey_registrations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "passkeys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "recovery_codes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "risk_decisions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "risk_policies" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "session_history" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "staff_habits" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "step_up_history" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "tenant_roles" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "token_history" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "user_totp" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "approval_requests" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "email_changes" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{link,person,purge}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "invitations" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{link}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "known_addresses" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys,risk}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "known_countries" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{risk}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "known_devices" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys,person,risk}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "known_networks" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{risk}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "mails" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys,link,mailer,purge}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "passkey_registrations" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{purge}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "passkeys" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "recovery_codes" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "risk_decisions" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{purge,risk}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "risk_policies" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{person,risk}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "session_history" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{purge}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "staff_habits" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{risk}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "step_up_challenges" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{challenge,keys,operator,purge}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "step_up_history" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{purge}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "tenant_roles" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "token_history" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{purge}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "user_totp" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys,purge}'::text[]));