import { listCollisions, renameStaff } from '../tenants';
import { CommandError } from './commandError';
import { emailOption, staffOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import type { Options } from './options';

/**
 * Lists the people who cannot sign in by their stored address: another person has it, or no mail
 * can reach it.
 */
export function collisionsCommand(_options: Options, invocation: Invocation) {
  return asOperator(invocation, async ({ deps }) => ({ collisions: await listCollisions(deps) }));
}

/**
 * Gives a person another address. Nothing else changes: they stay signed in, and keep password and
 * factors.
 */
export function setEmailCommand(options: Options, invocation: Invocation) {
  const to = emailOption(options, 'to');
  return asWriter(options, invocation, async (operator) => {
    const { tenantId, userId, staffId, email: from } = await staffOf(operator, options);
    if (from === to) throw new CommandError(`'${to}' is already the address of this person.`);
    const done = await renameStaff(operator.deps, operator.ctx, { userId, from, to });
    if (!done) throw new CommandError('Somebody else changed the address at the same time.');
    return { tenantId, userId, staffId, before: from, after: to };
  });
}
