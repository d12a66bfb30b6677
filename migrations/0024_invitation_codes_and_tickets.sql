SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TABLE "invitations" ADD COLUMN "codes_sent" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "invitations" ADD COLUMN "ticket" text;--> statement-breakpoint
ALTER TABLE "invitations" ADD COLUMN "approved_by" uuid;