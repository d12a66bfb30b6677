import { ask } from './askDatabase';

/**
 * Notes how long each failure has its row of `table` rest, at the moment of the failure: a busy machine reads the row seconds later.
 * @param table one with `failures` and `next_try_at`
 * @returns a function that gives the milliseconds of the last rest after so many failures in a row
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
