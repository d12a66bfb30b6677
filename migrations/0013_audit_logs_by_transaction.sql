-- gatehouse:transaction none
CREATE INDEX CONCURRENTLY IF NOT EXISTS "idx_audit_logs_transaction" ON "audit_logs" USING btree ("transaction_id","id");
