import { z } from 'zod';

/** An answer of a route without an error: its meaning, and its body for each media type. */
export interface Answer<Body = unknown> {
  readonly description: string;
  /** The schema of the body for each media type; null if it is no JSON. Empty if there is no body. */
  readonly content: Readonly<Record<string, z.ZodType<Body> | null>>;
  /** The headers that this answer has, besides those of every answer. */
  readonly headers?: readonly AnswerHeader[];
}

/** The headers of answers that the document describes, with their meanings. */
export const ANSWER_HEADERS = {
  'x-correlation-id': 'The id of this request in logs and audit events',
  'retry-after': 'The number of seconds after which the same request can succeed',
  'www-authenticate': 'The scheme, and the error of the token (RFC 6750, RFC 9470)',
  'set-cookie': 'The refresh cookie, the challenge cookie or the device cookie',
  'content-disposition': 'The name of the file',
  'clear-site-data': 'Clears the answers that the browser has cached',
  location: 'The page to go to',
  ratelimit: 'What is left of each rate limit that counted the request',
  'ratelimit-policy': 'The rate limits that counted the request',
  allow: 'The methods of this path',
  'x-gatehouse-user': 'The id of the user',
  'x-gatehouse-tenant': 'The slug of the tenant',
  'x-gatehouse-tenant-id': 'The id of the tenant',
  'x-gatehouse-staff': 'The id of the member of the tenant',
  'x-gatehouse-session': 'The id of the session, if there is one',
  'x-gatehouse-permissions': 'The permissions, with a space between',
  'x-gatehouse-permissions-partial':
    '`true` if the list would be too long: it then holds only those that the question asked for',
  'x-gatehouse-assertion': 'Who it is, signed for the upstream',
  etag: 'Names this version of the body; send it as `If-None-Match`',
} as const;
export type AnswerHeader = keyof typeof ANSWER_HEADERS;

/** The schema of a moment in an answer. Handlers may send a Date: JSON makes it this text. */
export const moment = z.iso
  .datetime()
  .brand<'moment'>()
  .meta({ examples: ['2026-01-31T12:00:00.000Z'] });

/** The schema of an id of a row. */
export const rowId = z.uuid().meta({ examples: ['0198c2f4-7a51-7cc3-98c4-dc0c0c07398f'] });

/** The schema of the cursor of the next page of a list. */
export const nextCursor = z
  .string()
  .nullable()
  .meta({ description: 'The cursor of the next page; null on the last page', examples: [null] });

/** The values from which JSON makes a body of this type. */
export type Sendable<T> =
  T extends z.core.$brand<'moment'>
    ? Date | string
    : T extends readonly (infer Item)[]
      ? readonly Sendable<Item>[]
      : T extends object
        ? { readonly [Key in keyof T]: Sendable<T[Key]> }
        : T;

/** Describes an answer with a JSON body. */
export const json = <Body>(
  description: string,
  body: z.ZodType<Body>,
  ...headers: AnswerHeader[]
): Answer<Body> => ({ description, content: { 'application/json': body }, headers });

/** Describes an answer without a body. */
export const noBody = (description: string, ...headers: AnswerHeader[]): Answer<undefined> => ({
  description,
  content: {},
  headers,
});

/** Describes an answer that is no JSON, in one of these media types. */
export const content = (
  description: string,
  mediaTypes: readonly string[],
  ...headers: AnswerHeader[]
): Answer<string | Buffer> => ({
  description,
  content: Object.fromEntries(mediaTypes.map((type) => [type, null])),
  headers,
});

/** Describes a page for people. */
export const page = (description: string, ...headers: AnswerHeader[]) =>
  content(description, ['text/html'], ...headers);

/** Describes an answer with a JSON body, or with a page if the form of a page was sent. */
export const withPage = <Body>(description: string, body: z.ZodType<Body>): Answer<Body> => ({
  description,
  content: { 'application/json': body, 'text/html': null },
});
