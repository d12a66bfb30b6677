import type { z } from 'zod';
import { ERRORS } from '../errors';
import type { ErrorCode } from '../errors';
import type { Answer, AnswerHeader } from './answers';
import { anyErrorOf, errorHeaders, nameOfError, readNote } from './errorSchemas';
import type { ErrorNote } from './errorSchemas';
import type { Route } from './routeTable';
import { SCIM_JSON, scimError, speaksScim } from './scimDialect';

/** The errors that every route can answer with. */
const EVERYWHERE: readonly ErrorNote[] = [
  'INVALID_INPUT',
  'MALFORMED_REQUEST',
  'INTERNAL_ERROR',
  'DATABASE_UNAVAILABLE',
  'SCHEMA_UNAVAILABLE',
  'KEY_UNAVAILABLE',
];

/** The errors of a route that reads a body. */
const OF_BODIES: readonly ErrorNote[] = [
  'MALFORMED_JSON',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
];

/** The headers of an answer that a rate limit counted. */
const OF_LIMITS: readonly AnswerHeader[] = ['ratelimit', 'ratelimit-policy'];

/**
 * Errors that answer a request before its route is known. The document describes them once, as the
 * default.
 */
export const BEFORE_ROUTES: readonly ErrorCode[] = [
  'METHOD_NOT_ALLOWED',
  'REQUEST_TIMEOUT',
  'EXPECTATION_FAILED',
  'HEADERS_TOO_LARGE',
];

/** One status of a route. */
export interface StatusAnswers {
  readonly description: string;
  /** The schema of the body for each media type; null if it is no JSON. */
  readonly content: Readonly<Record<string, z.ZodType | null>>;
  readonly headers: readonly AnswerHeader[];
  /** The name of errors that many routes share, without words of their own. */
  readonly shared?: string;
}

/** Returns the errors of a route, each once: its own, and those of its guards and its parser. */
export function notesOf({ guards, endpoint, limited }: Route): ErrorNote[] {
  const all: ErrorNote[] = [
    ...(limited ? ['RATE_LIMITED' as const] : []),
    ...endpoint.errors,
    ...guards.flatMap(({ errors }) => errors ?? []),
    ...(endpoint.body ? OF_BODIES : []),
    ...EVERYWHERE,
  ];
  const seen = new Set<ErrorCode>();
  return all.filter((note) => {
    const { code } = readNote(note);
    return seen.has(code) ? false : seen.add(code);
  });
}

const ofMedia = (codes: readonly ErrorCode[], fixed: boolean) =>
  codes.filter((code) => ERRORS[code].fixed === fixed);

/** Describes the errors of one status. */
export function describeErrors(notes: readonly ErrorNote[], path = '/'): StatusAnswers {
  const codes = notes.map((note) => readNote(note).code);
  const plain = ofMedia(codes, true);
  const problems = ofMedia(codes, false);
  const words = notes.map((note) => {
    const { code, words } = readNote(note);
    return `${code}: ${words === '' ? ERRORS[code].title : words}`;
  });
  const headers = [...new Set(codes.flatMap(errorHeaders))];
  if (speaksScim(path)) {
    return { description: words.join('; '), content: { [SCIM_JSON]: scimError }, headers };
  }
  return {
    description: words.join('; '),
    content: {
      ...(plain.length > 0 ? { 'application/json': anyErrorOf(plain) } : {}),
      ...(problems.length > 0 ? { 'application/problem+json': anyErrorOf(problems) } : {}),
    },
    headers,
    ...(notes.every((note) => readNote(note).words === '')
      ? { shared: [...codes].sort().map(nameOfError).join('Or') }
      : {}),
  };
}

function describeSuccess(answer: Answer): StatusAnswers {
  const { description, content, headers = [] } = answer;
  return { description, content, headers };
}

/** An HTML page for an error stands beside the error's own body. */
const merge = (one: StatusAnswers, other: StatusAnswers | undefined): StatusAnswers =>
  other === undefined
    ? one
    : {
        description: `${one.description}; ${other.description}`,
        content: { ...one.content, ...other.content },
        headers: [...new Set([...one.headers, ...other.headers])],
      };

/** Returns everything that a route can answer with, by status. */
export function describeAnswers(route: Route): ReadonlyMap<number, StatusAnswers> {
  const byStatus = new Map<number, ErrorNote[]>();
  for (const note of notesOf(route)) {
    const { status } = ERRORS[readNote(note).code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), note]);
  }
  const answers = new Map<number, StatusAnswers>();
  for (const [status, answer] of Object.entries(route.endpoint.responses)) {
    answers.set(Number(status), describeSuccess(answer));
  }
  for (const [status, notes] of byStatus) {
    const errors = describeErrors(notes, route.path);
    const own = answers.get(status);
    answers.set(status, own ? merge(own, errors) : errors);
  }
  if (route.limited) {
    for (const [status, answer] of answers)
      answers.set(status, { ...answer, headers: [...answer.headers, ...OF_LIMITS] });
  }
  return new Map([...answers].sort(([one], [other]) => one - other));
}
