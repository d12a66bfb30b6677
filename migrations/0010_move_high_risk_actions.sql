SET LOCAL lock_timeout = '5s';--> statement-breakpoint
INSERT INTO "risk_policies" ("tenant_id", "policy")
SELECT "id", '{"highRiskAction": "step_up"}' FROM "tenants" WHERE "high_risk_action" = 'step_up'
ON CONFLICT ("tenant_id") DO NOTHING;
