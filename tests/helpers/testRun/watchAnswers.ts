import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { isDeepStrictEqual } from 'node:util';
import type { ServerResponse } from 'node:http';
import type { ROUTED as Routed, RoutedRequest } from '@/server/http/mountRoutes';

// Imports only types, because most tests need no server, and because a server in another process
// loads it before its own code.

const ROUTED: typeof Routed = 'gatehouse.routed';

type Answers = ReturnType<RoutedRequest['describeAnswers']>;

/** What is to be known about the answers of this process. */
export interface AnswerReader {
  /** Gets each objection to an answer. */
  object(fault: string): void;
  /** Gets each answer that the endpoint of a request lists by itself, as `listed …`, and each that was sent, as `sent …`. */
  record(line: string): void;
}

/** Returns the objection to an answer, or undefined. */
function objectTo(
  answer: ReturnType<Answers['get']>,
  res: ServerResponse,
  body: unknown,
): string | undefined {
  const type = String(res.getHeader('content-type') ?? '').split(';')[0] ?? '';
  if (res.getHeader('x-correlation-id') === undefined) return 'no x-correlation-id';
  if (!answer) return 'the status is not described';
  const types = Object.keys(answer.content);
  if (type === '') return types.length === 0 ? undefined : 'there is no body';
  const schema = answer.content[type];
  if (schema === undefined) return `the media type ${type} is not described`;
  if (schema === null || typeof body !== 'string') return undefined;
  const sent: unknown = JSON.parse(body);
  const { success, data, error } = schema.safeParse(sent);
  if (!success) return JSON.stringify(error.issues);
  // Schemas drop the fields that they do not know.
  if (!isDeepStrictEqual(data, sent)) return `has more fields than ${JSON.stringify(data)}`;
  return undefined;
}

const toText = (chunk: unknown): unknown =>
  chunk === undefined || chunk === null
    ? ''
    : Buffer.isBuffer(chunk)
      ? chunk.toString('utf8')
      : typeof chunk === 'string'
        ? chunk
        : '';

const nameOf = ({ method, path }: RoutedRequest['route']) => `${method} ${path}`;

/** Returns the answers that an endpoint lists by itself: without those of guards, and of every route. */
const listedBy = ({ endpoint }: RoutedRequest['route']): string[] => [
  ...Object.keys(endpoint.responses),
  ...endpoint.errors.map((note) => note.split(':')[0] ?? ''),
];

/** Names an answer as an endpoint lists it: an error by its code, any other by its status. */
function nameAnswer({ statusCode }: ServerResponse, body: unknown): string {
  const [, code] = /"error":"([A-Z_]+)"/.exec(String(body)) ?? [];
  return statusCode < 400 || code === undefined ? String(statusCode) : code;
}

/**
 * Compares each answer of a server in this process with the document of the API.
 * @returns a function that ends it
 */
export function watchAnswers({ object, record }: AnswerReader): () => void {
  const described = new WeakMap<RoutedRequest['route'], Answers>();
  const answersOf = ({ route, describeAnswers }: RoutedRequest): Answers => {
    const known = described.get(route);
    if (known) return known;
    for (const listed of listedBy(route)) record(`listed ${nameOf(route)} ${listed}`);
    const answers = describeAnswers();
    described.set(route, answers);
    return answers;
  };
  const onRouted = (message: unknown): void => {
    const request = message as RoutedRequest;
    const { route, req, res } = request;
    const end = res.end.bind(res) as (...args: unknown[]) => typeof res;
    let streamed = false;
    const write = res.write.bind(res) as (...args: unknown[]) => boolean;
    res.write = (...args: unknown[]) => {
      streamed = true;
      return write(...args);
    };
    res.end = (...args: unknown[]) => {
      const body = streamed || req.method === 'HEAD' ? undefined : toText(args[0]);
      const fault = objectTo(answersOf(request).get(res.statusCode), res, body);
      if (fault !== undefined) {
        const where = `${req.method} ${route.path} ${res.statusCode}`;
        object(`${where}: ${fault}; ${String(body).slice(0, 600)}`);
      }
      record(`sent ${nameOf(route)} ${nameAnswer(res, body)}`);
      return end(...args);
    };
  };
  subscribe(ROUTED, onRouted);
  return () => void unsubscribe(ROUTED, onRouted);
}
