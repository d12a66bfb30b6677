import { request } from 'node:http';
import { text } from 'node:stream/consumers';

/** The answer of a gateway, or of the API behind it. */
export interface GatewayAnswer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: { headers?: Record<string, string>; [field: string]: unknown };
}

/** Sends a request with its path and its headers exactly as they are. `fetch` would resolve dots. */
export function callGateway(
  origin: string,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<GatewayAnswer> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers, agent: false }, (res) => {
      text(res)
        .then((body) => {
          const parsed = body.startsWith('{') ? JSON.parse(body) : {};
          const { statusCode: status = 0, headers: got } = res;
          resolve({ status, headers: got, body: parsed as GatewayAnswer['body'] });
        })
        .catch(reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}
