-- gatehouse:transaction none
CREATE INDEX CONCURRENTLY IF NOT EXISTS "idx_user_sessions_provider" ON "user_sessions" USING btree ("tenant_id","sso_connection_id","provider_sid") WHERE "user_sessions"."sso_connection_id" IS NOT NULL AND "user_sessions"."revoked_at" IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "idx_user_sessions_own_proof_link" ON "user_sessions" USING btree ("own_proof_link") WHERE "user_sessions"."own_proof_link" IS NOT NULL;
