SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TABLE "rate_limits" ADD COLUMN "previous" integer DEFAULT 0 NOT NULL;