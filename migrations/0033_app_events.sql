SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "declared_event_types" (
	"name" text PRIMARY KEY NOT NULL,
	"sentence" text NOT NULL,
	"details" jsonb NOT NULL,
	"declared_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_at" timestamp (3) with time zone,
	"withdrawn_at" timestamp (3) with time zone,
	CONSTRAINT "declared_event_types_name_format" CHECK ("declared_event_types"."name" ~ '^app\.[a-z0-9][a-z0-9._-]{0,58}$')
);
--> statement-breakpoint
CREATE TABLE "event_batches" (
	"service_key_id" uuid NOT NULL,
	"key_hash" "bytea" NOT NULL,
	"digest" "bytea" NOT NULL,
	"first_event_id" uuid NOT NULL,
	"events" smallint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "event_batches_pk" PRIMARY KEY("service_key_id","key_hash")
);
--> statement-breakpoint
ALTER TABLE "event_batches" ADD CONSTRAINT "event_batches_service_key_id_service_keys_id_fk" FOREIGN KEY ("service_key_id") REFERENCES "public"."service_keys"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_event_batches_created" ON "event_batches" USING btree ("created_at");--> statement-breakpoint
ALTER POLICY "tenant_rows" ON "tenant_staff" TO public USING (tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid OR current_setting('gatehouse.bypass', true) = ANY ('{challenge,keys,link,operator,person,reported,rotation}'::text[]));