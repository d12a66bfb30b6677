import { z } from 'zod';
import { DOMAIN_FINDINGS } from '../db/schema';
import { moment, rowId } from '../http/answers';

/** One domain of a tenant. */
export const shownDomain = z
  .object({
    id: rowId,
    domain: z.string().meta({
      description: 'In ASCII and lower case',
      examples: ['example.com'],
    }),
    state: z.enum(['waiting', 'proven', 'failing', 'lost']).meta({
      description: 'The proof counts while it is `proven` or `failing`',
    }),
    record: z
      .object({
        name: z.string().meta({ examples: ['_gatehouse.example.com'] }),
        type: z.literal('TXT'),
        value: z.string().meta({ examples: ['gatehouse-domain=3f0c'] }),
      })
      .meta({ description: 'The DNS record that proves the domain' }),
    createdAt: moment,
    createdBy: rowId.meta({ description: 'A staff id' }),
    provenAt: moment.nullable(),
    checkedAt: moment.nullable().meta({ description: 'When the last look began' }),
    finding: z.enum(DOMAIN_FINDINGS).nullable().meta({
      description:
        'What the last look found: the record (`found`); no TXT record (`missing`); others (`differs`); the record, but another tenant has proven the domain (`taken`); or no answer of DNS (`unreachable`)',
    }),
    failingSince: moment.nullable(),
    lostAt: moment.nullable(),
  })
  .meta({ id: 'Domain' });

/** The domains of a tenant. */
export const shownDomains = z.object({ domains: z.array(shownDomain) });
