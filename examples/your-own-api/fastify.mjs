// A protected API with Fastify and the guard.
import { randomUUID } from 'node:crypto';
import fastify from 'fastify';
import { createGuard } from 'gatehouse/guard';

const { GATEHOUSE_URL: url, GATEHOUSE_SERVICE_KEY: serviceKey, PORT } = process.env;
// Without onProblem, nobody hears of a refused service key: every request only gets 503.
const onProblem = ({ message }) => console.error(message);
const guard = createGuard({ url, serviceKey, onProblem });
const { requirePermission, consumeStepUp } = guard.fastify;

/** Writes an event into the audit log. Returns whether Gatehouse has stored it. */
async function record(request, action, details) {
  const { tenantId, staffId } = guard.principalOf(request);
  const event = { action, tenant: tenantId, actor: { staffId }, address: request.ip, details };
  try {
    const answer = await fetch(`${url}/api/audit/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${serviceKey}`,
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
      },
      body: JSON.stringify({ events: [event] }),
      signal: AbortSignal.timeout(5000),
    });
    return answer.ok;
  } catch {
    return false;
  }
}

const app = fastify();
app.addHook('onClose', () => guard.close());

app.get('/projects', { preHandler: requirePermission('app:projects.view') }, (request) => ({
  tenant: guard.principalOf(request).tenant,
  projects: [],
}));

// The proof counts for one request only. It is the last guard, because it uses the proof up.
const mayDelete = [requirePermission('app:projects.delete'), consumeStepUp('app:delete_project')];

app.delete('/projects/:id', { preHandler: mayDelete }, async (request, reply) => {
  // First the event: nothing is deleted without one.
  if (!(await record(request, 'app.project.deleted', { project: request.params.id }))) {
    return reply.code(503).send({ error: 'NOT_RECORDED', status: 503 });
  }
  return reply.code(204).send();
});

console.log(`listening on ${await app.listen({ port: Number(PORT), host: '127.0.0.1' })}`);
