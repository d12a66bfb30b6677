SET LOCAL lock_timeout = '5s';--> statement-breakpoint
CREATE INDEX "idx_known_addresses_address" ON "known_addresses" USING btree ("address_hash");