import { randomUUID } from 'node:crypto';
import type { Job } from './child';
import { closedLoop } from './closedLoop';
import { connectTo } from './httpClient';
import type { Answer, Call } from './httpClient';

export type Scenario =
  | { kind: 'get'; path: string; accessTokens: string[] }
  | { kind: 'introspect'; key: string; accessTokens: string[] }
  | { kind: 'refresh'; refreshTokens: string[] }
  | { kind: 'report'; key: string; events: object[] }
  | { kind: 'login'; emails: string[]; password: string };

export interface HttpLoadSetup {
  port: number;
  connections: number;
  userAgent: string;
  scenario: Scenario;
}

/** The next request, and a function that handles its answer. */
interface Step {
  call: Call;
  answered?: (answer: Answer) => void;
}

function refreshSteps(tokens: string[]): (turn: number) => Step {
  return (turn) => {
    const at = turn % tokens.length;
    const refreshToken = tokens[at] ?? '';
    return {
      call: { method: 'POST', path: '/api/auth/refresh', body: { refreshToken } },
      answered: ({ body }) => {
        tokens[at] = (JSON.parse(body) as { refreshToken: string }).refreshToken;
      },
    };
  };
}

function steps(scenario: Scenario): (turn: number) => Step {
  switch (scenario.kind) {
    case 'get': {
      const calls = scenario.accessTokens.map((token) => ({
        method: 'GET' as const,
        path: scenario.path,
        headers: { authorization: `Bearer ${token}` },
      }));
      return (turn) => ({ call: calls[turn % calls.length] as Call });
    }
    case 'introspect': {
      const { key, accessTokens } = scenario;
      const headers = { authorization: `Bearer ${key}` };
      return (turn) => {
        const body = { token: accessTokens[turn % accessTokens.length] };
        return { call: { method: 'POST', path: '/api/token/introspect', headers, body } };
      };
    }
    case 'refresh':
      return refreshSteps(scenario.refreshTokens);
    case 'report': {
      const { key, events } = scenario;
      return () => ({
        call: {
          method: 'POST',
          path: '/api/audit/events',
          headers: { authorization: `Bearer ${key}`, 'idempotency-key': randomUUID() },
          body: { events },
        },
      });
    }
    case 'login': {
      const { emails, password } = scenario;
      return (turn) => ({
        call: {
          method: 'POST',
          path: '/api/auth/login',
          body: { email: emails[turn % emails.length], password },
        },
      });
    }
  }
}

/**
 * Sends one kind of request over a number of connections. Any answer except 200 and 201 ends the benchmark.
 */
export function httpLoad({ port, connections, userAgent, scenario }: HttpLoadSetup): Job {
  const next = steps(scenario);
  let turn = 0;
  return {
    async run(ms) {
      const clients = Array.from({ length: connections }, () => connectTo(port));
      try {
        return await closedLoop(ms, connections, async (worker) => {
          const { call, answered } = next(turn++);
          const headers = { 'user-agent': userAgent, ...call.headers };
          const answer = await clients[worker]?.send({ ...call, headers });
          if (answer?.status !== 200 && answer?.status !== 201) {
            throw new Error(`${call.path} answered ${answer?.status}: ${answer?.body}`);
          }
          answered?.(answer);
        });
      } finally {
        for (const client of clients) client.close();
      }
    },
  };
}
