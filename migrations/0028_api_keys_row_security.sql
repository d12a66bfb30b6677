SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TABLE "api_keys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "api_keys" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys,program}'::text[]));