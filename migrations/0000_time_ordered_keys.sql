-- UUIDv7 (RFC 9562 5.7) for Postgres 14 to 17, which have no uuidv7(): a random UUID whose first 48 bits
-- are the time in milliseconds and whose version bits say 7.
CREATE FUNCTION gatehouse_uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT encode(
    set_bit(
      set_bit(
        overlay(
          uuid_send(gen_random_uuid())
          PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
          FROM 1 FOR 6
        ),
        52, 1
      ),
      53, 1
    ),
    'hex'
  )::uuid
$$;
