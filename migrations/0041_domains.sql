SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "domains" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"domain" text NOT NULL,
	"token" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"created_by" uuid NOT NULL,
	"proven_at" timestamp (3) with time zone,
	"asked_at" timestamp (3) with time zone,
	"checked_at" timestamp (3) with time zone,
	"finding" text,
	"next_check_at" timestamp (3) with time zone,
	"failing_since" timestamp (3) with time zone,
	"gone_looks" integer DEFAULT 0 NOT NULL,
	"gone_at" timestamp (3) with time zone,
	"lost_at" timestamp (3) with time zone,
	"told_at" timestamp (3) with time zone,
	"removed_at" timestamp (3) with time zone,
	CONSTRAINT "domains_lower" CHECK ("domains"."domain" = lower("domains"."domain")),
	CONSTRAINT "domains_finding" CHECK ("domains"."finding" IN ('found', 'missing', 'differs', 'taken', 'unreachable')),
	CONSTRAINT "domains_lost_was_proven" CHECK ("domains"."lost_at" IS NULL OR "domains"."proven_at" IS NOT NULL),
	CONSTRAINT "domains_failing_proven" CHECK ("domains"."failing_since" IS NULL OR "domains"."proven_at" IS NOT NULL)
);
--> statement-breakpoint
ALTER TABLE "domains" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "domains" ADD CONSTRAINT "domains_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "domains_one_of_tenant" ON "domains" USING btree ("tenant_id","domain") WHERE "domains"."removed_at" IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "domains_one_proof" ON "domains" USING btree ("domain") WHERE "domains"."proven_at" IS NOT NULL AND "domains"."lost_at" IS NULL AND "domains"."removed_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_domains_tenant" ON "domains" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_domains_due" ON "domains" USING btree ("next_check_at") WHERE "domains"."next_check_at" IS NOT NULL;--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "domains" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{domains}'::text[]));