SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TYPE "public"."rate_limit_scope" ADD VALUE 'events';