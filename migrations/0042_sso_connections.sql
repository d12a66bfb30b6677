SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "sso_connections" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"name" text NOT NULL,
	"issuer" text NOT NULL,
	"client_id" text,
	"token_auth" text NOT NULL,
	"alg" text NOT NULL,
	"required_hosted_domain" text,
	"metadata" jsonb NOT NULL,
	"metadata_at" timestamp (3) with time zone NOT NULL,
	"secret_sealed" "bytea",
	"secret_key_id" text,
	"secret_changed_at" timestamp (3) with time zone,
	"previous_sealed" "bytea",
	"previous_key_id" text,
	"previous_until" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "sso_connections_tenant_unique" UNIQUE("tenant_id","id"),
	CONSTRAINT "sso_connections_token_auth" CHECK ("sso_connections"."token_auth" IN ('basic', 'post')),
	CONSTRAINT "sso_connections_secret_whole" CHECK (num_nulls("sso_connections"."secret_sealed", "sso_connections"."secret_key_id") = CASE WHEN "sso_connections"."deleted_at" IS NULL AND "sso_connections"."client_id" IS NOT NULL THEN 0 ELSE 2 END),
	CONSTRAINT "sso_connections_previous_whole" CHECK (num_nulls("sso_connections"."previous_sealed", "sso_connections"."previous_key_id", "sso_connections"."previous_until") IN (0, 3))
);
--> statement-breakpoint
ALTER TABLE "sso_connections" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "sso_connections" ADD CONSTRAINT "sso_connections_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "sso_connections_client_unique" ON "sso_connections" USING btree ("tenant_id","issuer","client_id") WHERE "sso_connections"."deleted_at" IS NULL;--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "sso_connections" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{keys}'::text[]));