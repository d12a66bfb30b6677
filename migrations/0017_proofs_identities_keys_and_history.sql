SET LOCAL lock_timeout = '5s';--> statement-breakpoint
ALTER TYPE "public"."attempt_scope" ADD VALUE 'known_network';--> statement-breakpoint
ALTER TYPE "public"."attempt_scope" ADD VALUE 'after_factor';--> statement-breakpoint
ALTER TYPE "public"."attempt_scope" ADD VALUE 'enrolment';--> statement-breakpoint
CREATE TABLE "installation" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"served_in_production_at" timestamp (3) with time zone,
	CONSTRAINT "installation_only" CHECK ("installation"."only")
);
--> statement-breakpoint
CREATE TABLE "key_checks" (
	"setting" text NOT NULL,
	"key_id" text NOT NULL,
	"check_value" "bytea" NOT NULL,
	"first_used_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"adopted" boolean DEFAULT false NOT NULL,
	CONSTRAINT "key_checks_pk" PRIMARY KEY("setting","key_id")
);
--> statement-breakpoint
CREATE TABLE "known_addresses" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"address_hash" text NOT NULL,
	"first_seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"session_id" uuid,
	CONSTRAINT "known_addresses_staff_address_unique" UNIQUE("staff_id","address_hash")
);
--> statement-breakpoint
CREATE TABLE "node_clocks" (
	"node_id" uuid PRIMARY KEY NOT NULL,
	"offset_ms" integer NOT NULL,
	"measured_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "session_history" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"last_seen_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"revoke_reason" "revoke_reason",
	"remember_me" boolean NOT NULL,
	"ip" text,
	"country" char(2),
	"user_agent" text
);
--> statement-breakpoint
CREATE TABLE "step_up_history" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"session_id" uuid,
	"origin" "challenge_origin" NOT NULL,
	"purpose" "step_up_purpose" NOT NULL,
	"score" integer,
	"reasons" text[] NOT NULL,
	"act" text,
	"attempts" integer NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"verified_at" timestamp (3) with time zone,
	"verified_method" text,
	"consumed_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "token_history" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"session_id" uuid,
	"family_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"revoke_reason" "revoke_reason"
);
--> statement-breakpoint
ALTER TABLE "known_countries" ADD COLUMN "session_id" uuid;--> statement-breakpoint
ALTER TABLE "known_devices" ADD COLUMN "session_id" uuid;--> statement-breakpoint
ALTER TABLE "known_devices" ADD COLUMN "key_id" text;--> statement-breakpoint
ALTER TABLE "known_networks" ADD COLUMN "session_id" uuid;--> statement-breakpoint
ALTER TABLE "mails" ADD COLUMN "key_id" text;--> statement-breakpoint
ALTER TABLE "passkeys" ADD COLUMN "backup_eligible" boolean;--> statement-breakpoint
ALTER TABLE "recovery_codes" ADD COLUMN "key_id" text;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD COLUMN "key_id" text;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "session_version" integer;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "refresh_token_id" uuid;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "act" text;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "act_digest" text;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "answer_hash" text;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "browser_hash" text;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "must_enrol" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "password_due" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "step_up_challenges" ADD COLUMN "revoked_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "tenant_staff" ADD COLUMN "must_prove_login" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "user_sessions" ADD COLUMN "network" text;--> statement-breakpoint
ALTER TABLE "user_sessions" ADD COLUMN "origin_proven_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "user_totp" ADD COLUMN "key_id" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "password_expired_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "email_normalized" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "known_addresses" ADD CONSTRAINT "known_addresses_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_known_addresses_user" ON "known_addresses" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "idx_session_history_tenant_expires" ON "session_history" USING btree ("tenant_id","expires_at");--> statement-breakpoint
CREATE INDEX "idx_step_up_history_tenant_created" ON "step_up_history" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_token_history_tenant_revoked" ON "token_history" USING btree ("tenant_id","revoked_at");--> statement-breakpoint
CREATE INDEX "idx_token_history_session" ON "token_history" USING btree ("session_id");