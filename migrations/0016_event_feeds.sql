SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "event_deliveries" (
	"sink" text NOT NULL,
	"log_id" uuid NOT NULL,
	"next_leaf" bigint DEFAULT 0 NOT NULL,
	"last_hash" "bytea",
	"signed_size" bigint DEFAULT 0 NOT NULL,
	"delivered_at" timestamp (3) with time zone,
	"failures" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"next_try_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"claimed_by" uuid,
	"claimed_until" timestamp (3) with time zone,
	CONSTRAINT "event_deliveries_sink_log_id_pk" PRIMARY KEY("sink","log_id")
);
--> statement-breakpoint
CREATE TABLE "event_feeds" (
	"sink" text PRIMARY KEY NOT NULL,
	"seen_checkpoint" bigint NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"next_try_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"told_lost" text
);
--> statement-breakpoint
CREATE INDEX "idx_event_deliveries_due" ON "event_deliveries" USING btree ("sink","next_try_at") WHERE "event_deliveries"."next_leaf" <> "event_deliveries"."signed_size";