import type { EventFile } from './eventFile';
import { emptyRow } from './eventRow';
import type { EventRow } from './eventRow';
import type { LogView } from './logView';

async function nextRow(file: EventFile, row: EventRow): Promise<boolean> {
  while (!file.next(row)) {
    if (file.isAtEnd) return false;
    await file.fill();
  }
  return true;
}

interface Difference {
  readonly row?: number;
  readonly leaf?: number;
  readonly event?: string;
  readonly message: string;
}

/**
 * Finds the first row in which a view differs from audit-log. It reads both files once more for
 * that.
 */
export async function findDifference(
  population: EventFile,
  shown: EventFile,
  view: LogView,
): Promise<Difference> {
  const [due, there] = [emptyRow(), emptyRow()];
  for (;;) {
    let isDue = await nextRow(population, due);
    while (isDue && !view.shows(due)) isDue = await nextRow(population, due);
    const isThere = await nextRow(shown, there);
    if (!isDue && !isThere)
      return { message: shown.failure ?? 'its rows are written in another form' };
    if (!isThere) {
      const { leaf, id: event, number } = due;
      return {
        leaf,
        event,
        message: `it ends before row ${number} of audit-log, which belongs in it`,
      };
    }
    const { number: row, problem } = there;
    if (problem !== undefined) return { row, message: problem };
    const { leaf, id: event } = there;
    if (!isDue) return { row, leaf, event, message: 'audit-log has no such row' };
    if (!due.hash.equals(there.hash)) {
      const message = `it should be row ${due.number} of audit-log (leaf ${due.leaf})`;
      return { row, leaf, event, message };
    }
  }
}
