SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TYPE "public"."approval_decision" AS ENUM('approved', 'refused', 'withdrawn');--> statement-breakpoint
CREATE TYPE "public"."approval_kind" AS ENUM('member', 'role', 'invitation', 'policy');--> statement-breakpoint
CREATE TYPE "public"."invitation_delivery" AS ENUM('mail', 'link');--> statement-breakpoint
ALTER TYPE "public"."account_status" ADD VALUE 'removed';--> statement-breakpoint
ALTER TYPE "public"."tenant_status" ADD VALUE 'deleted';--> statement-breakpoint
CREATE TABLE "approval_requests" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"kind" "approval_kind" NOT NULL,
	"staff_id" uuid,
	"user_id" uuid,
	"change" jsonb NOT NULL,
	"reason" text,
	"ticket" text,
	"requester_staff_id" uuid NOT NULL,
	"requester_user_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"decision" "approval_decision",
	"decider_staff_id" uuid,
	"decider_user_id" uuid,
	"decided_at" timestamp (3) with time zone,
	CONSTRAINT "approval_requests_staff_whole" CHECK (("approval_requests"."staff_id" IS NULL) = ("approval_requests"."user_id" IS NULL)),
	CONSTRAINT "approval_requests_decision_whole" CHECK (num_nulls("approval_requests"."decision", "approval_requests"."decider_staff_id", "approval_requests"."decider_user_id", "approval_requests"."decided_at") IN (0, 4))
);
--> statement-breakpoint
CREATE TABLE "declared_permissions" (
	"name" text PRIMARY KEY NOT NULL,
	"description" text NOT NULL,
	"privileged" boolean DEFAULT false NOT NULL,
	"declared_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"withdrawn_at" timestamp (3) with time zone,
	CONSTRAINT "declared_permissions_name_format" CHECK ("declared_permissions"."name" ~ '^app:[a-z0-9][a-z0-9._-]{0,59}$')
);
--> statement-breakpoint
CREATE TABLE "email_changes" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"staff_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"from_email" text NOT NULL,
	"to_email" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"confirmed_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "invitations" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"link_id" uuid NOT NULL,
	"email" text NOT NULL,
	"roles" text[] DEFAULT '{}'::text[] NOT NULL,
	"permissions" text[] DEFAULT '{}'::text[] NOT NULL,
	"delivery" "invitation_delivery" NOT NULL,
	"inviter_staff_id" uuid,
	"inviter_user_id" uuid,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"sent_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"code_hash" "bytea",
	"code_expires_at" timestamp (3) with time zone,
	"code_tries" integer DEFAULT 0 NOT NULL,
	"accepted_at" timestamp (3) with time zone,
	"staff_id" uuid,
	"user_id" uuid,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "invitations_inviter_whole" CHECK (("invitations"."inviter_staff_id" IS NULL) = ("invitations"."inviter_user_id" IS NULL)),
	CONSTRAINT "invitations_acceptance_whole" CHECK (num_nulls("invitations"."accepted_at", "invitations"."staff_id", "invitations"."user_id") IN (0, 3))
);
--> statement-breakpoint
CREATE TABLE "password_resets" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"user_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "tenant_roles" (
	"id" uuid PRIMARY KEY DEFAULT gatehouse_uuid_v7() NOT NULL,
	"tenant_id" uuid NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"permissions" text[] DEFAULT '{}'::text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
-- gatehouse:allow ban-drop-not-null the release before reads these columns only of notices, which always have them
ALTER TABLE "mails" ALTER COLUMN "user_id" DROP NOT NULL;--> statement-breakpoint
-- gatehouse:allow ban-drop-not-null the release before reads these columns only of notices, which always have them
ALTER TABLE "mails" ALTER COLUMN "staff_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "tenant_staff" ADD COLUMN "roles" text[] DEFAULT '{}'::text[] NOT NULL;--> statement-breakpoint
ALTER TABLE "tenant_staff" ADD COLUMN "removed_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "needs_approval" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "suspended_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "deleted_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "name" text;--> statement-breakpoint
ALTER TABLE "approval_requests" ADD CONSTRAINT "approval_requests_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approval_requests" ADD CONSTRAINT "approval_requests_requester_fk" FOREIGN KEY ("tenant_id","requester_staff_id","requester_user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "approval_requests" ADD CONSTRAINT "approval_requests_decider_fk" FOREIGN KEY ("tenant_id","decider_staff_id","decider_user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "email_changes" ADD CONSTRAINT "email_changes_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_inviter_fk" FOREIGN KEY ("tenant_id","inviter_staff_id","inviter_user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_staff_fk" FOREIGN KEY ("tenant_id","staff_id","user_id") REFERENCES "public"."tenant_staff"("tenant_id","id","user_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "password_resets" ADD CONSTRAINT "password_resets_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenant_roles" ADD CONSTRAINT "tenant_roles_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_approval_requests_tenant" ON "approval_requests" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_approval_requests_open" ON "approval_requests" USING btree ("tenant_id","expires_at") WHERE "approval_requests"."decided_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_email_changes_user" ON "email_changes" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "invitations_link_unique" ON "invitations" USING btree ("link_id");--> statement-breakpoint
CREATE UNIQUE INDEX "invitations_open_unique" ON "invitations" USING btree ("tenant_id","email") WHERE "invitations"."accepted_at" IS NULL AND "invitations"."revoked_at" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_invitations_tenant" ON "invitations" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE INDEX "idx_password_resets_user" ON "password_resets" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "tenant_roles_tenant_name_unique" ON "tenant_roles" USING btree ("tenant_id",lower("name"));