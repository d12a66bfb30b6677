import type { Sweep } from './aim';

/** The routes that are open to everybody and take no ids. */
export const OPEN_SWEEP: Sweep = {
  'get /health/live': () => [{ expected: 200 }],
  'get /health/ready': () => [{ expected: 200 }],
  'get /metrics': () => [{ expected: 200 }],
  'get /verify': () => [{ expected: 200 }],
  'get /verify.mjs': () => [{ expected: 200 }],
  'get /openapi.json': () => [{ expected: 200 }],
  'get /docs': () => [{ expected: 200 }],
};
