import { resolve } from 'node:path';
import {
  compareDeclared,
  declarePermissions,
  listDeclared,
  listPermissions,
  readPermissionsFile,
  summarize,
} from '../tenants';
import { CommandError } from './commandError';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { optional } from './options';
import type { Options } from './options';

export function listPermissionsCommand(_options: Options, invocation: Invocation) {
  return asOperator(invocation, async ({ deps }) => ({
    permissions: await listPermissions(deps.db),
  }));
}

/**
 * Declares the permissions of a file. Declaring the same file again succeeds and records nothing,
 * so that a deployment can always run it.
 */
export function declarePermissionsCommand(options: Options, invocation: Invocation) {
  const file = optional(options, 'file');
  return asWriter(options, invocation, async ({ config, deps, ctx }) => {
    const path = file === undefined ? config.permissionsFile : resolve(invocation.cwd(), file);
    if (path === undefined) throw new CommandError('Give --file F, or set PERMISSIONS_FILE.');
    const wanted = await readPermissionsFile(path);
    if (options['dry-run'] === true) {
      const declaration = compareDeclared(await listDeclared(deps.db), wanted);
      return { ...summarize(declaration), dryRun: true };
    }
    const { members, ...declaration } = await declarePermissions(deps, ctx, wanted);
    return { ...summarize(declaration), members };
  });
}
