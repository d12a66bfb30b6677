CREATE TABLE "schema_health" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"missing" text[] DEFAULT '{}'::text[] NOT NULL,
	"findings" text[] DEFAULT '{}'::text[] NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "schema_health_only" CHECK ("schema_health"."only")
);
