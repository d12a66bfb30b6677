import type { RequestContext } from '../../context';

/** Of what the server does by itself. */
export const systemContext = (correlationId: string): RequestContext => ({
  correlationId,
  actor: 'system',
  tenantId: null,
  sessionId: null,
  ip: null,
  country: null,
  userAgent: null,
});
