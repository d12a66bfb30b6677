SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TABLE "refresh_tokens" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "tenant_staff" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "user_sessions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "refresh_tokens" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys,operator,purge,rotation}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "tenant_staff" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{challenge,keys,link,operator,person,rotation}'::text[]));--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "user_sessions" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys,operator,purge,risk,rotation,seen}'::text[]));