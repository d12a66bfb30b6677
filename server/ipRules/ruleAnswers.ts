import { z } from 'zod';
import { moment, rowId } from '../http/answers';

const ruleAction = z.enum(['allow', 'deny']);
const ruleTarget = z.enum(['people', 'api_keys']);

/** One IP rule. */
const shownRule = z
  .object({
    id: rowId,
    action: ruleAction,
    appliesTo: ruleTarget,
    range: z.string().meta({ examples: ['203.0.113.0/24'] }),
    note: z.string(),
    expiresAt: moment.nullable(),
    createdAt: moment,
    createdBy: z
      .string()
      .nullable()
      .meta({ description: 'A staff id; null if it is not known who created the rule' }),
  })
  .meta({ id: 'IpRule' });

/** The IP rules of a tenant. */
export const shownRules = z
  .object({
    version: z.int().meta({ description: 'Send it back with a change of the whole set' }),
    rules: z.array(shownRule),
    trial: z
      .object({
        startedAt: moment,
        endsAt: moment,
        startedBy: rowId,
        rules: z.array(shownRule),
      })
      .nullable()
      .meta({ description: 'The rules that are in force until `endsAt`, instead of the others' }),
    suspendedAt: moment.nullable().meta({
      description: 'Since when no rule is in force, because an operator suspended them',
    }),
  })
  .meta({ id: 'IpRules' });

const refusal = z
  .object({ id: z.string().nullable(), action: ruleAction, range: z.string() })
  .nullable()
  .meta({ description: 'The rule that refuses; null if no allow rule holds the address' });

/** The effect that other rules would have had. */
export const simulatedRules = z
  .object({
    from: moment,
    to: moment,
    requests: z.int().meta({ description: 'Sign-ins and refreshes in this time' }),
    refused: z.int().meta({ description: 'Those that the rules would have refused' }),
    people: z.array(
      z.object({
        staffId: rowId,
        email: z.string().nullable(),
        requests: z.int(),
        refused: z.int(),
        lastRefusedAt: moment,
        addresses: z.array(
          z.object({
            address: z.string().nullable(),
            country: z.string().nullable(),
            refused: z.int(),
            rule: refusal,
          }),
        ),
        moreAddresses: z.boolean(),
        shutOut: z
          .boolean()
          .meta({ description: 'All requests of this person would have been refused' }),
      }),
    ),
    morePeople: z.boolean(),
    keys: z.array(
      z.object({
        apiKeyId: rowId,
        name: z.string(),
        address: z.string().nullable(),
        lastUsedAt: moment,
        rule: refusal,
      }),
    ),
    yourAddress: z.object({ address: z.string().nullable(), passes: z.boolean(), rule: refusal }),
    addresses: z.array(
      z.object({
        address: z.string(),
        people: z.object({ passes: z.boolean(), rule: refusal }),
        apiKeys: z.object({ passes: z.boolean(), rule: refusal }),
      }),
    ),
  })
  .meta({ id: 'SimulatedIpRules' });
