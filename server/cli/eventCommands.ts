import { resolve } from 'node:path';
import {
  EventTypesFileError,
  declareEventTypes,
  listEventTypes,
  readEventTypesFile,
  withdrawOneEventType,
} from '../appEvents';
import { AppError } from '../errors';
import type { CommandTable } from './command';
import { CommandError } from './commandError';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { orNoSuch } from './orNoSuch';
import { optional, required } from './options';
import type { Options } from './options';

function listEventTypesCommand(_options: Options, invocation: Invocation) {
  return asOperator(invocation, async ({ deps }) => ({
    eventTypes: await listEventTypes(deps.db),
  }));
}

/**
 * Declares the types of a file. Declaring the same file again succeeds and records nothing, so that
 * a deployment can always run it.
 */
function declareEventTypesCommand(options: Options, invocation: Invocation) {
  const file = optional(options, 'file');
  const dryRun = options['dry-run'] === true;
  return asWriter(options, invocation, async ({ config, deps, ctx }) => {
    const path = file === undefined ? config.eventTypesFile : resolve(invocation.cwd(), file);
    if (path === undefined) throw new CommandError('Give --file F, or set EVENT_TYPES_FILE.');
    try {
      const wanted = await readEventTypesFile(path);
      const declared = await declareEventTypes(deps, ctx, wanted, { via: 'operator', dryRun });
      return { ...declared, ...(dryRun && { dryRun }) };
    } catch (error) {
      const isRefusal =
        error instanceof EventTypesFileError ||
        (error instanceof AppError && error.code === 'EVENT_TYPE_INCOMPATIBLE');
      throw isRefusal ? new CommandError(error.message) : error;
    }
  });
}

function withdrawEventTypeCommand(options: Options, invocation: Invocation) {
  const name = required(options, 'name');
  return asWriter(options, invocation, async ({ deps, ctx }) => {
    await orNoSuch('declared type of event', name, withdrawOneEventType(deps, ctx, name));
    return { withdrawn: name };
  });
}

/** The commands for the types of events that the team's own product reports. */
export const EVENT_COMMANDS: CommandTable = {
  'events list': {
    summary: "Lists every type of the product's own events that was ever declared.",
    usage: '',
    example: '',
    run: listEventTypesCommand,
  },
  'events declare': {
    summary:
      "Declares the types of the product's own events: adds those in a file, and withdraws all others.",
    usage: '[--file F] [--dry-run]',
    example: '--file event-types.json --dry-run',
    says: {
      file: 'A JSON file; the one in EVENT_TYPES_FILE if omitted.',
      'dry-run': 'Only compare; change nothing.',
    },
    writes: true,
    run: declareEventTypesCommand,
  },
  'events withdraw': {
    summary: "Withdraws a type of the product's own events: no event of it is accepted any more.",
    usage: '--name N',
    example: '--name app.project.deleted',
    says: { name: 'The name of the type.' },
    writes: true,
    run: withdrawEventTypeCommand,
  },
};
