SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "identity_links" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"issuer" text NOT NULL,
	"subject" text NOT NULL,
	"connection_id" uuid NOT NULL,
	"how" text NOT NULL,
	"linked_at" timestamp (3) with time zone NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "identity_links_how" CHECK ("identity_links"."how" IN ('domain', 'consent')),
	CONSTRAINT "identity_links_subject" CHECK (length("identity_links"."subject") BETWEEN 1 AND 255)
);
--> statement-breakpoint
ALTER TABLE "identity_links" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "sso_attempts" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"connection_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"state_hash" "bytea" NOT NULL,
	"cookie_hash" "bytea" NOT NULL,
	"sender_hash" "bytea" NOT NULL,
	"secrets_sealed" "bytea" NOT NULL,
	"staff_id" uuid,
	"user_id" uuid,
	"session_id" uuid,
	"remember_me" boolean NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"called_back_at" timestamp (3) with time zone,
	"claims_sealed" "bytea",
	"finished_at" timestamp (3) with time zone,
	"outcome" text,
	CONSTRAINT "sso_attempts_state_unique" UNIQUE("tenant_id","state_hash"),
	CONSTRAINT "sso_attempts_kind" CHECK ("sso_attempts"."kind" IN ('login', 'try', 'link')),
	CONSTRAINT "sso_attempts_person" CHECK (num_nulls("sso_attempts"."staff_id", "sso_attempts"."user_id", "sso_attempts"."session_id") = CASE WHEN "sso_attempts"."kind" = 'login' THEN 3 ELSE 0 END),
	CONSTRAINT "sso_attempts_end_whole" CHECK (num_nulls("sso_attempts"."finished_at", "sso_attempts"."outcome") IN (0, 2))
);
--> statement-breakpoint
ALTER TABLE "sso_attempts" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "identity_links" ADD CONSTRAINT "identity_links_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "identity_links" ADD CONSTRAINT "identity_links_connection_fk" FOREIGN KEY ("tenant_id","connection_id") REFERENCES "public"."sso_connections"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sso_attempts" ADD CONSTRAINT "sso_attempts_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sso_attempts" ADD CONSTRAINT "sso_attempts_connection_fk" FOREIGN KEY ("tenant_id","connection_id") REFERENCES "public"."sso_connections"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "identity_links_one_member" ON "identity_links" USING btree ("tenant_id","issuer","subject") WHERE "identity_links"."ended_at" IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "identity_links_one_of_member" ON "identity_links" USING btree ("tenant_id","staff_id","issuer") WHERE "identity_links"."ended_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_identity_links_staff" ON "identity_links" USING btree ("tenant_id","staff_id","linked_at");--> statement-breakpoint
CREATE UNIQUE INDEX "sso_attempts_cookie_unique" ON "sso_attempts" USING btree ("tenant_id","cookie_hash");--> statement-breakpoint
CREATE INDEX "idx_sso_attempts_sender" ON "sso_attempts" USING btree ("tenant_id","sender_hash","created_at");--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "identity_links" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "sso_attempts" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{purge}'::text[]));--> statement-breakpoint
ALTER POLICY "tenant_rows" ON "sso_connections" TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys,sso}'::text[]));