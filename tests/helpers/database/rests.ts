import { ask } from './askDatabase';

/**
 * Records for how long each failure delays its row of `table`, at the moment of the failure,
 * because a busy machine reads the row seconds later.
 * @param table a table with `failures` and `next_try_at`
 * @returns a function that returns the last delay in milliseconds after that many failures in a row
 */
export async function noteRests(url: string, table: 'checkpoint_deliveries' | 'event_feeds') {
  await ask(
    url,
    `CREATE TABLE IF NOT EXISTS rests (id int GENERATED ALWAYS AS IDENTITY, failures int, ms float8);
     CREATE OR REPLACE FUNCTION note_rest() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO rests (failures, ms)
         VALUES (NEW.failures, extract(epoch FROM NEW.next_try_at - clock_timestamp()) * 1000);
       RETURN NULL;
     END $$;
     CREATE OR REPLACE TRIGGER note_rest AFTER UPDATE ON ${table}
       FOR EACH ROW WHEN (NEW.failures > OLD.failures) EXECUTE FUNCTION note_rest()`,
  );
  return async (failures = 1): Promise<number> => {
    const [row] = await ask<{ ms: number }>(
      url,
      'SELECT ms FROM rests WHERE failures = $1 ORDER BY id DESC LIMIT 1',
      [failures],
    );
    return row?.ms ?? NaN;
  };
}
