SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "known_networks" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"network" text NOT NULL,
	"first_seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "known_networks_staff_network_unique" UNIQUE("staff_id","network")
);
--> statement-breakpoint
CREATE TABLE "staff_habits" (
	"staff_id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"hours" integer[] DEFAULT array_fill(0, ARRAY[24]) NOT NULL,
	"last_login_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "staff_habits_hours" CHECK (cardinality("staff_habits"."hours") = 24)
);
--> statement-breakpoint
ALTER TABLE "failed_attempts" ADD COLUMN "accounts" text[] DEFAULT '{}'::text[] NOT NULL;--> statement-breakpoint
ALTER TABLE "known_networks" ADD CONSTRAINT "known_networks_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "staff_habits" ADD CONSTRAINT "staff_habits_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;