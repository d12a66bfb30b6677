import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { isDeepStrictEqual } from 'node:util';
import type { ServerResponse } from 'node:http';
import type { ROUTED as Routed, RoutedRequest } from '@/server/http/mountRoutes';

// Compares each answer of a server in this process with the document of the API, and fails the test
// that caused one that is not described. It imports only types, because most tests need no server.

const ROUTED: typeof Routed = 'gatehouse.routed';

type Answers = ReturnType<RoutedRequest['describeAnswers']>;

const described = new WeakMap<RoutedRequest['route'], Answers>();
const faults: string[] = [];

function answersOf({ route, describeAnswers }: RoutedRequest): Answers {
  const answers = described.get(route) ?? describeAnswers();
  described.set(route, answers);
  return answers;
}

/** Returns the objection to an answer, or undefined. */
function objectTo(request: RoutedRequest, res: ServerResponse, body: unknown): string | undefined {
  const answer = answersOf(request).get(res.statusCode);
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

function onRouted(message: unknown): void {
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
    const fault = objectTo(request, res, body);
    if (fault !== undefined) {
      faults.push(
        `${req.method} ${route.path} ${res.statusCode}: ${fault}; ${String(body).slice(0, 600)}`,
      );
    }
    return end(...args);
  };
}

subscribe(ROUTED, onRouted);
afterAll(() => {
  unsubscribe(ROUTED, onRouted);
});

afterEach(() => {
  const found = faults.splice(0);
  if (found.length > 0) {
    throw new Error(`Answers that openapi.json does not describe:\n${found.join('\n')}`);
  }
});
