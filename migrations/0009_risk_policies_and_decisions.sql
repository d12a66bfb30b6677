SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TYPE "public"."risk_decision" AS ENUM('allow', 'step_up', 'block');--> statement-breakpoint
CREATE TYPE "public"."risk_moment" AS ENUM('login', 'refresh');--> statement-breakpoint
CREATE TYPE "public"."risk_outcome" AS ENUM('allowed', 'challenged', 'passed', 'blocked', 'monitored');--> statement-breakpoint
CREATE TYPE "public"."risk_verdict" AS ENUM('legitimate', 'suspicious');--> statement-breakpoint
CREATE TABLE "risk_decisions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"session_id" uuid,
	"at" "risk_moment" NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"score" integer NOT NULL,
	"reasons" text[] NOT NULL,
	"seen" text NOT NULL,
	"signals" jsonb NOT NULL,
	"decision" "risk_decision" NOT NULL,
	"outcome" "risk_outcome" NOT NULL,
	"policy_version" integer,
	"degraded" text,
	"spent_us" integer NOT NULL,
	"ip" text,
	"country" char(2),
	"correlation_id" text NOT NULL,
	"verdict" "risk_verdict",
	"verdict_by" uuid,
	"verdict_at" timestamp (3) with time zone,
	"verdict_note" text,
	CONSTRAINT "risk_decisions_score" CHECK ("risk_decisions"."score" BETWEEN 0 AND 100),
	CONSTRAINT "risk_decisions_verdict" CHECK (("risk_decisions"."verdict" IS NULL) = ("risk_decisions"."verdict_at" IS NULL) AND ("risk_decisions"."verdict" IS NULL) = ("risk_decisions"."verdict_by" IS NULL))
);
--> statement-breakpoint
CREATE TABLE "risk_policies" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"policy" jsonb NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_by" uuid,
	CONSTRAINT "risk_policies_version" CHECK ("risk_policies"."version" >= 1),
	CONSTRAINT "risk_policies_policy" CHECK (jsonb_typeof("risk_policies"."policy") = 'object')
);
--> statement-breakpoint
ALTER TABLE "user_sessions" ADD COLUMN "device_hashes" text[];--> statement-breakpoint
ALTER TABLE "risk_policies" ADD CONSTRAINT "risk_policies_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_risk_decisions_tenant" ON "risk_decisions" USING btree ("tenant_id","occurred_at","id");--> statement-breakpoint
CREATE INDEX "idx_risk_decisions_staff" ON "risk_decisions" USING btree ("tenant_id","staff_id","occurred_at","id");--> statement-breakpoint
CREATE INDEX "idx_risk_decisions_notable" ON "risk_decisions" USING btree ("tenant_id","occurred_at","id") WHERE "risk_decisions"."seen" <> '';--> statement-breakpoint
CREATE INDEX "idx_risk_decisions_age" ON "risk_decisions" USING brin ("occurred_at");