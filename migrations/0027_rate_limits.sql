SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TYPE "public"."rate_limit_scope" AS ENUM('address', 'account', 'tenant', 'key');--> statement-breakpoint
-- UNLOGGED: the counters are worth no write-ahead log. Drizzle cannot express it.
CREATE UNLOGGED TABLE "rate_limits" (
	"scope" "rate_limit_scope" NOT NULL,
	"subject" text NOT NULL,
	"tokens" integer NOT NULL,
	"asked" integer NOT NULL,
	"granted" integer NOT NULL,
	"refills_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "rate_limits_pk" PRIMARY KEY("scope","subject")
);
--> statement-breakpoint
CREATE INDEX "idx_rate_limits_refills" ON "rate_limits" USING btree ("refills_at");