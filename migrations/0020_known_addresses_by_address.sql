SET LOCAL lock_timeout = '5s';--> statement-breakpoint
-- gatehouse:allow require-concurrent-index-creation the table came with this release and is empty
CREATE INDEX "idx_known_addresses_address" ON "known_addresses" USING btree ("address_hash");