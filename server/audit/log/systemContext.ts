import type { RequestContext } from '../../context';

/** Returns the context of actions that the server takes by itself. */
export const systemContext = (correlationId: string): RequestContext => ({
  correlationId,
  actor: 'system',
  tenantId: null,
  sessionId: null,
  ip: null,
  country: null,
  userAgent: null,
});
