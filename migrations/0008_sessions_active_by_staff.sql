-- gatehouse:transaction none
CREATE INDEX CONCURRENTLY IF NOT EXISTS "idx_user_sessions_staff_active" ON "user_sessions" USING btree ("staff_id","last_seen_at" DESC NULLS LAST) WHERE "user_sessions"."revoked_at" IS NULL;
