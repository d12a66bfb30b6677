-- (A) Before token_hash can be unique: of each set of rows with one hash the newest stays as it is, a live
-- one before a dead one. The others end as a security event, and keep their row: their hash gets a suffix
-- that no HMAC in hex can have, so that no token will ever find them and (B) can add the constraint.
UPDATE refresh_tokens AS t
SET token_hash = t.token_hash || ':duplicate:' || t.id,
    revoke_reason = CASE
      WHEN t.revoked_at IS NULL OR t.revoke_reason IS NULL THEN 'security_event'::revoke_reason
      ELSE t.revoke_reason
    END,
    revoked_at = coalesce(t.revoked_at, now()),
    is_revoked = true
FROM (
  SELECT id,
         row_number() OVER (
           PARTITION BY token_hash
           ORDER BY (revoked_at IS NULL AND NOT is_revoked) DESC, created_at DESC, id DESC
         ) AS place
  FROM refresh_tokens
) AS ranked
WHERE ranked.id = t.id AND ranked.place > 1;
