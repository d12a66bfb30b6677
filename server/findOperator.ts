import { hostname, userInfo } from 'node:os';

/** Who runs this process, as far as the machine tells. */
function findOperator(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A container may run as a uid that has no name.
    return `uid ${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
}

const MOST_CHARACTERS = 64;

/** No control character, space or `@` of a name reaches the log; nor a name that no column is wide enough for. */
const toPart = (text: string): string =>
  [...text.normalize('NFC').replaceAll(/[^\p{L}\p{N}._+\\-]+/gu, '_')]
    .slice(0, MOST_CHARACTERS)
    .join('') || 'unknown';

/**
 * The actor of what an operator's command does.
 * @param named the setting OPERATOR: a person, with or without a host, where the machine's user says nothing of who it is
 * @returns `operator:<user>@<host>`, at most 138 characters
 */
export function operatorActor(named: string | undefined, found: string): string {
  const whole = named === undefined || named.includes('@') ? (named ?? found) : `${named}@`;
  const at = whole.lastIndexOf('@');
  const host = whole.slice(at + 1) || found.slice(found.lastIndexOf('@') + 1);
  return `operator:${toPart(whole.slice(0, at))}@${toPart(host)}`;
}

/** Who is recorded as having applied migrations, and as the actor of commands. */
export function readOperators(env: {
  MIGRATED_BY?: string | undefined;
  OPERATOR?: string | undefined;
}): { migratedBy: string; operator: string } {
  const found = findOperator();
  return {
    migratedBy: env.MIGRATED_BY ?? found,
    operator: operatorActor(env.OPERATOR, found),
  };
}
