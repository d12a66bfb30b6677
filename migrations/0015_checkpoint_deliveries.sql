CREATE TABLE "checkpoint_deliveries" (
	"sink" text PRIMARY KEY NOT NULL,
	"delivered_id" bigint DEFAULT 0 NOT NULL,
	"delivered_note" text,
	"delivered_at" timestamp (3) with time zone,
	"failures" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"next_try_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"claimed_by" uuid,
	"claimed_until" timestamp (3) with time zone,
	"told_lost" text
);
