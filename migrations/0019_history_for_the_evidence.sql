SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TABLE "session_history" ADD COLUMN "session_version" integer;--> statement-breakpoint
ALTER TABLE "token_history" ADD COLUMN "session_version" integer;--> statement-breakpoint
ALTER TABLE "token_history" ADD COLUMN "expires_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "user_sessions" ADD COLUMN "began_country" char(2);--> statement-breakpoint
-- gatehouse:allow require-concurrent-index-creation nothing writes to the history tables before this release
CREATE INDEX "idx_session_history_staff" ON "session_history" USING btree ("staff_id","created_at");--> statement-breakpoint
-- gatehouse:allow require-concurrent-index-creation nothing writes to the history tables before this release
CREATE INDEX "idx_token_history_without_session" ON "token_history" USING btree ("tenant_id","staff_id") WHERE "token_history"."session_id" IS NULL;