SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE TABLE "change_versions" (
	"topic" text PRIMARY KEY NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "write_probes" (
	"node_id" uuid PRIMARY KEY NOT NULL,
	"probes" bigint DEFAULT 1 NOT NULL,
	"probed_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
INSERT INTO "change_versions" ("topic") VALUES ('policy');
--> statement-breakpoint
-- With its owner's rights: a role that may change a table need not have a grant on the versions, such as the serving
-- role of the release before, which goes on while this one is deployed.
CREATE FUNCTION change_versions_grow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO public.change_versions AS v (topic, version) VALUES (TG_ARGV[0], 1)
  ON CONFLICT (topic) DO UPDATE SET version = v.version + 1;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER risk_policies_change_version
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON risk_policies
FOR EACH STATEMENT EXECUTE FUNCTION change_versions_grow('policy');
