import { hostname, userInfo } from 'node:os';
import { text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings that name a person: who applies migrations, and who runs commands. */
export const operatorSettings = {
  MIGRATED_BY: text(),
  OPERATOR: text(),
};

/** Returns the user and host that run this process, as far as the machine reports them. */
function findOperator(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A container may run as a uid without a name.
    return `uid ${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
}

const MOST_CHARACTERS = 64;

/**
 * Cleans one part of an actor: control characters, spaces and `@` must not reach the log, and the
 * name must fit its column.
 */
const toPart = (text: string): string =>
  [...text.normalize('NFC').replaceAll(/[^\p{L}\p{N}._+\\-]+/gu, '_')]
    .slice(0, MOST_CHARACTERS)
    .join('') || 'unknown';

/**
 * Builds the actor of an operator's command.
 * @param named the setting OPERATOR: a person, with or without a host, for machines whose user does
 * not identify a person
 * @returns `operator:<user>@<host>`, at most 138 characters
 */
export function operatorActor(named: string | undefined, found: string): string {
  const whole = named === undefined || named.includes('@') ? (named ?? found) : `${named}@`;
  const at = whole.lastIndexOf('@');
  const host = whole.slice(at + 1) || found.slice(found.lastIndexOf('@') + 1);
  return `operator:${toPart(whole.slice(0, at))}@${toPart(host)}`;
}

/** Reads the name that is recorded with migrations, and the actor of commands. */
export function readOperators(env: SettingsOf<typeof operatorSettings>): {
  migratedBy: string;
  operator: string;
} {
  const found = findOperator();
  return {
    migratedBy: env.MIGRATED_BY ?? found,
    operator: operatorActor(env.OPERATOR, found),
  };
}
