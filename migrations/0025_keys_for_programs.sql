SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"name" text NOT NULL,
	"permissions" text[] DEFAULT '{}'::text[] NOT NULL,
	"addresses" text[] DEFAULT '{}'::text[] NOT NULL,
	"secret_hash" "bytea" NOT NULL,
	"key_id" text NOT NULL,
	"previous_hash" "bytea",
	"previous_key_id" text,
	"previous_until" timestamp (3) with time zone,
	"issued_session_id" uuid,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"rotated_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"revoked_by" text,
	"last_used_at" timestamp (3) with time zone,
	"last_used_ip" text,
	CONSTRAINT "api_keys_previous_whole" CHECK (num_nulls("api_keys"."previous_hash", "api_keys"."previous_key_id", "api_keys"."previous_until") IN (0, 3))
);
--> statement-breakpoint
CREATE TABLE "service_keys" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"name" text NOT NULL,
	"scopes" text[] NOT NULL,
	"addresses" text[] DEFAULT '{}'::text[] NOT NULL,
	"secret_hash" "bytea" NOT NULL,
	"key_id" text NOT NULL,
	"previous_hash" "bytea",
	"previous_key_id" text,
	"previous_until" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	"rotated_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"revoked_by" text,
	"last_used_at" timestamp (3) with time zone,
	"last_used_ip" text,
	CONSTRAINT "service_keys_previous_whole" CHECK (num_nulls("service_keys"."previous_hash", "service_keys"."previous_key_id", "service_keys"."previous_until") IN (0, 3))
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_secret_unique" ON "api_keys" USING btree ("secret_hash");--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_previous_unique" ON "api_keys" USING btree ("previous_hash");--> statement-breakpoint
CREATE INDEX "idx_api_keys_tenant" ON "api_keys" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_api_keys_holder" ON "api_keys" USING btree ("tenant_id","staff_id") WHERE "api_keys"."revoked_at" IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "service_keys_secret_unique" ON "service_keys" USING btree ("secret_hash");--> statement-breakpoint
CREATE UNIQUE INDEX "service_keys_previous_unique" ON "service_keys" USING btree ("previous_hash");--> statement-breakpoint
CREATE UNIQUE INDEX "service_keys_name_unique" ON "service_keys" USING btree ("name") WHERE "service_keys"."revoked_at" IS NULL;