SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "audit_checkpoints" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_checkpoints_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"log_id" uuid NOT NULL,
	"size" bigint NOT NULL,
	"root_hash" "bytea" NOT NULL,
	"note" text NOT NULL,
	"signed_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "audit_checkpoints_size_unique" UNIQUE("log_id","size")
);
--> statement-breakpoint
CREATE TABLE "audit_leaves" (
	"log_id" uuid NOT NULL,
	"leaf_index" bigint NOT NULL,
	"event_id" uuid NOT NULL,
	"sealed_at" timestamp (3) with time zone NOT NULL,
	"leaf_hash" "bytea" NOT NULL,
	CONSTRAINT "audit_leaves_log_id_leaf_index_pk" PRIMARY KEY("log_id","leaf_index"),
	CONSTRAINT "audit_leaves_event_id_unique" UNIQUE("event_id")
);
--> statement-breakpoint
CREATE TABLE "audit_nodes" (
	"log_id" uuid NOT NULL,
	"level" smallint NOT NULL,
	"node_index" bigint NOT NULL,
	"hash" "bytea" NOT NULL,
	CONSTRAINT "audit_nodes_log_id_level_node_index_pk" PRIMARY KEY("log_id","level","node_index")
);
--> statement-breakpoint
CREATE TABLE "audit_sealer" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"sealed" "pg_snapshot" NOT NULL,
	"target" "pg_snapshot",
	"target_at" timestamp (3) with time zone,
	"after_transaction" "xid8",
	"after_id" uuid,
	"cluster" text NOT NULL,
	CONSTRAINT "audit_sealer_only" CHECK ("audit_sealer"."only")
);
--> statement-breakpoint
CREATE TABLE "audit_trees" (
	"log_id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid,
	"size" bigint DEFAULT 0 NOT NULL,
	"peaks" "bytea" NOT NULL,
	"checkpoint_size" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "evidence_keys" (
	"key_id" text PRIMARY KEY NOT NULL,
	"public_key" text NOT NULL,
	"first_used_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "audit_logs" ALTER COLUMN "occurred_at" SET DEFAULT clock_timestamp();--> statement-breakpoint
ALTER TABLE "audit_logs" ADD COLUMN "transaction_id" "xid8" DEFAULT pg_current_xact_id() NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "audit_trees_of_no_tenant" ON "audit_trees" USING btree (("tenant_id" IS NULL)) WHERE "audit_trees"."tenant_id" IS NULL;--> statement-breakpoint
CREATE INDEX "idx_audit_trees_unsigned" ON "audit_trees" USING btree ("log_id") WHERE "audit_trees"."size" > "audit_trees"."checkpoint_size";--> statement-breakpoint
-- Whatever the statement says: whoever may insert must not be able to hide an event from the sealer.
CREATE FUNCTION audit_logs_set_transaction() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  NEW.transaction_id := pg_current_xact_id();
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER audit_logs_transaction
BEFORE INSERT ON audit_logs
FOR EACH ROW EXECUTE FUNCTION audit_logs_set_transaction();
--> statement-breakpoint
CREATE FUNCTION audit_trees_refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END
$$;
--> statement-breakpoint
CREATE TRIGGER audit_leaves_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves
FOR EACH STATEMENT EXECUTE FUNCTION audit_trees_refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_nodes_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_nodes
FOR EACH STATEMENT EXECUTE FUNCTION audit_trees_refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_checkpoints_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION audit_trees_refuse_change();
--> statement-breakpoint
CREATE TRIGGER evidence_keys_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_keys
FOR EACH STATEMENT EXECUTE FUNCTION audit_trees_refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_trees_kept
BEFORE DELETE OR TRUNCATE ON audit_trees
FOR EACH STATEMENT EXECUTE FUNCTION audit_trees_refuse_change();
