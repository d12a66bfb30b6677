SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "scim_users" (
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"user_name" text NOT NULL,
	"external_id" text,
	"display_name" text,
	"given_name" text,
	"family_name" text,
	"formatted_name" text,
	"email" text,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp (3) with time zone,
	"removed_at" timestamp (3) with time zone,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "scim_users_tenant_id_staff_id_pk" PRIMARY KEY("tenant_id","staff_id")
);
--> statement-breakpoint
ALTER TABLE "scim_users" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "scim_users" ADD CONSTRAINT "scim_users_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "scim_users_name_unique" ON "scim_users" USING btree ("tenant_id",lower("user_name")) WHERE "scim_users"."deleted_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_scim_users_external" ON "scim_users" USING btree ("tenant_id","external_id");--> statement-breakpoint
CREATE POLICY "tenant_rows" ON "scim_users" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid);