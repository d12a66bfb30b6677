-- gatehouse:transaction none
CREATE INDEX CONCURRENTLY IF NOT EXISTS "idx_refresh_tokens_without_session" ON "refresh_tokens" USING btree ("expires_at") WHERE "refresh_tokens"."session_id" IS NULL;--> statement-breakpoint
CREATE INDEX CONCURRENTLY IF NOT EXISTS "idx_step_up_challenges_created" ON "step_up_challenges" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX CONCURRENTLY IF NOT EXISTS "idx_user_sessions_expires" ON "user_sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX CONCURRENTLY IF NOT EXISTS "idx_users_email_unnormalized" ON "users" USING btree ("id") WHERE NOT "users"."email_normalized";