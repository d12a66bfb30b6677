SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TABLE "known_addresses" ADD COLUMN "by_provider" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "known_devices" ADD COLUMN "by_provider" boolean DEFAULT false NOT NULL;